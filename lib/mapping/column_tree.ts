/**
 * The sub-columns of a table's `data`, as a tree of names, and what documents need of them.
 */
import { BsonType, type BsonValue, elements } from "../bson/bson.ts";
import { duplicates } from "./bson_to_json.ts";
import { asDocument } from "../bson/expand.ts";
import { type Kind, MAX_TEXT_BYTES, SCALARS } from "./column_types.ts";
import { fieldsOf } from "../bson/fields.ts";

/** A column: objects have children by name, arrays have an element. */
export interface Column {
  readonly kind: Kind;
  readonly children?: Map<string, Column>;
  readonly element?: Column;
  /** Whether the object takes no further columns. */
  readonly closed?: boolean;
}

/** Names below `data`; an array's element has the array's own path. */
export type ColumnPath = readonly string[];

/** A column to be made, e.g. `{path: ["data", "temperature"], column: {kind: "double"}}`. */
export interface Addition {
  readonly path: ColumnPath;
  readonly column: Column;
}

/** How deep columns are made below `data`; what lies deeper is stored in `overflow`. */
export const MAX_DEPTH = 40;

/**
 * Names that a typed object refuses (dots, brackets, control characters, the empty name), and the backslash: a
 * column with one in its name makes CrateDB refuse every later bulk statement on the table.
 */
// deno-lint-ignore no-control-regex -- control characters are what is looked for
const REFUSED_NAME = /^$|[.[\]\\\x00-\x1f\x7f]/;
export const isRefusedName = (name: string): boolean => REFUSED_NAME.test(name);

export const objectColumn = (): Column & { children: Map<string, Column> } => ({
  kind: "object",
  children: new Map(),
});

/**
 * The columns that a value asks for; undefined where it asks for none (null, an empty array, a text too
 * long). Keys that an object has more than once ask for none.
 *
 * @example
 * IN: {t: 20.5, tags: ["a"]}
 * OUT: {kind: "object", children: {t: {kind: "double"}, tags: {kind: "array", element: {kind: "text"}}}}
 */
export function inferColumns(value: BsonValue, depth = 0): Column | undefined {
  if (depth > MAX_DEPTH) return undefined;
  if (value.type === BsonType.array) {
    let element: Column | undefined;
    for (const [type, , , offset, length] of elements(value.bytes, value.offset)) {
      element = widest(element, inferColumns({ type, bytes: value.bytes, offset, length }, depth + 1));
    }
    return element && { kind: "array", element };
  }
  const document = asDocument(value);
  if (document) {
    const column = objectColumn();
    const { members, repeated } = fieldsOf(document);
    const repeats = repeated ? duplicates(document) : undefined;
    for (const member of members) {
      const { text: name } = member.name;
      if (isRefusedName(name) || repeats?.has(name)) continue;
      const shape = inferColumns(member, depth + 1);
      if (shape) column.children.set(name, shape);
    }
    return column;
  }
  const kind = SCALARS[value.type]?.column;
  const tooLong = kind === "text" && value.length - 5 > MAX_TEXT_BYTES;
  return kind === undefined || tooLong ? undefined : { kind };
}

export const inferDocumentColumns = (bytes: Uint8Array): Column | undefined =>
  inferColumns({ type: BsonType.document, bytes, offset: 0, length: bytes.length });

/**
 * The column that takes the values of both; of kinds that exclude each other, the first.
 *
 * @example
 * IN: {kind: "bigint"}, {kind: "double"} → OUT: {kind: "double"}
 */
export function widest(one: Column | undefined, other: Column | undefined): Column | undefined {
  if (!one || !other) return one ?? other;
  if (one.kind === "bigint" && other.kind === "double") return other;
  if (one.kind !== other.kind) return one;
  if (one.kind === "array") {
    const element = widest(one.element, other.element);
    return element ? { kind: "array", element } : one;
  }
  if (one.children && other.children) {
    const children = new Map(one.children);
    for (const [name, column] of other.children) {
      const merged = widest(children.get(name), column);
      if (merged) children.set(name, merged);
    }
    return { kind: one.kind, children };
  }
  return one;
}

/**
 * What `shape` asks for beyond `columns`: the topmost new columns, each with all below it. Below an array of
 * objects the path goes on as if the array were not there, as CrateDB's subscripts do.
 *
 * @example
 * IN: data{a}, shape {a: bigint, o: {b: text}}
 * OUT: [{path: ["o"], column: {kind: "object", children: {b: text}}}]
 */
export function additions(columns: Column, shape: Column, path: ColumnPath = []): Addition[] {
  if (columns.kind !== shape.kind) return [];
  if (columns.element && shape.element) return additions(columns.element, shape.element, path);
  return [...shape.children ?? []].flatMap(([name, wanted]) => {
    const here = [...path, name];
    const existing = columns.children?.get(name);
    if (existing) return additions(existing, wanted, here);
    return columns.closed ? [] : [{ path: here, column: wanted }];
  });
}

/** An array's element, however deep it is nested; else the column itself. */
export function innermost(column: Column): Column {
  return column.element ? innermost(column.element) : column;
}
