/** Counts the types at each path of documents, and infers the columns that store most of these values. */
import { BsonType, documentValue, itemsOf } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { fieldsOf } from "../bson/fields.ts";
import { classify, type FieldOrItem, ownClass } from "./classify.ts";
import type { Column } from "./column_tree.ts";
import { type Kind, SCALARS } from "./column_types.ts";

/** What documents have at one path. */
export interface FieldCounts {
  /** The number of values of each BSON type, by its name; `long text` is text that no column takes. */
  readonly types: Map<string, number>;
  /** The number of values for which each kind of column is created. */
  readonly kinds: Map<Kind, number>;
  /** The fields of the objects. */
  readonly children: Map<string, FieldCounts>;
  /** The items of the arrays. */
  items?: FieldCounts;
  /** The sum of its positions among other fields. */
  position: number;
}

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(BsonType).map(([name, type]) => [type, name]),
);

const nothing = (): FieldCounts => ({ types: new Map(), kinds: new Map(), children: new Map(), position: 0 });

const count = <Name>(counts: Map<Name, number>, name: Name): void =>
  void counts.set(name, (counts.get(name) ?? 0) + 1);

/** @example IN: BSON of {t: 20}, BSON of {t: "x"} → OUT: {…, children: {t: {types: {int32: 1, string: 1}, …}}} */
export function countFields(documents: Iterable<Uint8Array>): FieldCounts {
  const all = nothing();
  for (const document of documents) add(all, documentValue(document), 0);
  return all;
}

function add(counts: FieldCounts, value: FieldOrItem, depth: number): void {
  const own = ownClass(value, depth);
  count(counts.types, own === "too long" ? "long text" : TYPE_NAMES.get(value.type) ?? `type ${value.type}`);
  if (own === "array") {
    counts.items ??= nothing();
    for (const item of itemsOf(value)) add(counts.items, item, depth + 1);
    if (classify(value, depth) === "column") count(counts.kinds, "array");
  }
  if (own !== "column") return;
  const document = asDocument(value);
  count(counts.kinds, document ? "object" : SCALARS[value.type]?.column ?? "unfit");
  if (!document) return;
  const { fields, repeats } = fieldsOf(document);
  for (const [position, field] of fields.entries()) {
    const { text: name } = field.name;
    const child = counts.children.get(name) ?? nothing();
    counts.children.set(name, child);
    child.position += position;
    if (!repeats.has(name)) add(child, field, depth + 1);
  }
}

/** @example IN: BSON of {t: 20}, BSON of {t: 20.5, n: 1} → OUT: {kind: "object", children: {t: double, n: bigint}} */
export const inferColumns = (documents: Iterable<Uint8Array>): Column | undefined =>
  columnOfMost(countFields(documents));

/**
 * The columns for most of the values at each path, whatever the order of the documents. A table may have no room for all,
 * so frequent fields are first.
 * @example IN: 30 integers, 20 doubles and 40 strings → OUT: double; IN: only nulls → OUT: undefined
 */
export function columnOfMost({ kinds, children, items }: FieldCounts): Column | undefined {
  const [bigint = 0, double = 0] = [kinds.get("bigint"), kinds.get("double")];
  const votes = new Map(kinds);
  // One column stores both.
  if (bigint + double > 0) votes.set(double > 0 ? "double" : "bigint", bigint + double);
  const [[kind] = []] = [...votes].sort(([one, most], [other, more]) =>
    more - most || (one < other ? -1 : 1)
  );
  if (kind === undefined) return undefined;
  if (kind === "array") {
    const element = items && columnOfMost(items);
    return element && { kind, element };
  }
  if (kind !== "object") return { kind };
  const columns = inOrder(children).flatMap(([name, child]) => {
    const column = columnOfMost(child);
    return column ? [[name, column] as const] : [];
  });
  return { kind, children: new Map(columns) };
}

/** Frequent fields first; equally frequent ones in the order that most documents have. */
export const inOrder = (children: FieldCounts["children"]): (readonly [name: string, FieldCounts])[] =>
  [...children].sort(([name, one], [next, other]) =>
    valuesOf(other) - valuesOf(one) || one.position - other.position || (name < next ? -1 : 1)
  );

const valuesOf = ({ kinds }: FieldCounts): number => kinds.values().reduce((sum, each) => sum + each, 0);
