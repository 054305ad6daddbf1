/** The columns that the settings of a collection name: `types` and `fulltext`. Pure. */
import { entriesOf, ofEntry, UsageError } from "../util/errors.ts";
import { similarName } from "../util/text.ts";
import { isRefusedName } from "./classify.ts";
import { arraysOf, type Column, columnAt, innermost, mapObjects, objectColumn } from "./column_tree.ts";

/** The columns beside `data` that store what a value rounds to. */
export const SHADOWS = ["geo", "vector"] as const;
export type Shadow = typeof SHADOWS[number];

/** Trees of columns by their place. A place without columns is left out. */
export type DesignedTypes = Readonly<Partial<Record<"data" | Shadow, Column>>>;

export interface FulltextIndex {
  readonly name: string;
  readonly columns: readonly (readonly Step[])[];
  readonly analyzer: string;
}

/** A name on the way to a value. */
export interface Step {
  readonly name: string;
  /** How many arrays its values are in. */
  readonly arrays: number;
}

interface Type {
  readonly home: keyof DesignedTypes;
  readonly column: Column;
}

/** The types, as they are written. */
const EXAMPLES = [
  ..."numeric(20,4) uuid text geo_point geo_shape float_vector(768)".split(" "),
  "{ text: { index: off } }",
];
/** The limits of CrateDB. */
const MAX_PRECISION = 38;
const MAX_VECTOR = 2_048;

const TYPES: readonly (readonly [RegExp, Type["home"], (...numbers: readonly number[]) => Column])[] = [
  [/^numeric ?\( ?(\d+) ?(?:, ?(\d+) ?)?\)$/, "data", (precision = 0, scale = 0) => {
    check("precision", precision, MAX_PRECISION);
    if (scale > precision) throw new RangeError("has a scale above its precision");
    return { kind: "numeric", numeric: { precision, scale } };
  }],
  [/^float_vector ?\( ?(\d+) ?\)$/, "vector", (length = 0) => {
    check("length", length, MAX_VECTOR);
    return { kind: "float_vector", length };
  }],
  [/^text$/, "data", () => ({ kind: "text" })],
  [/^uuid$/, "data", () => ({ kind: "uuid" })],
  [/^geo_point$/, "geo", () => ({ kind: "geo_point" })],
  [/^geo_shape$/, "geo", () => ({ kind: "geo_shape" })],
];

function check(what: string, number: number, most: number): void {
  if (number < 1 || number > most) throw new RangeError(`has a ${what} that is not from 1 to ${most}`);
}

/** @throws RangeError */
function parseType(given: unknown): Type {
  if (isLongText(given)) return { home: "data", column: { kind: "longtext" } };
  const text = typeof given === "string" ? given.toLowerCase() : "";
  for (const [pattern, home, make] of TYPES) {
    const found = pattern.exec(text);
    if (found) return { home, column: make(...found.slice(1).map((each) => Number(each ?? 0))) };
  }
  const similar = similarName(text.replace(/\(.*/, ""), EXAMPLES.map((each) => each.replace(/\(.*/, "")));
  const meant = EXAMPLES.find((each) => similar !== undefined && each.startsWith(similar));
  throw new RangeError(`is no type. ${meant ? `Did you mean ${meant}?` : `Types: ${EXAMPLES.join(", ")}`}`);
}

const isLongText = (given: unknown): boolean => JSON.stringify(given) === '{"text":{"index":"off"}}';

/** @example IN: items[].price → OUT: [{name: "items", arrays: 1}, {name: "price", arrays: 0}] @throws RangeError */
function parsePath(text: string): readonly Step[] {
  return text.split(".").map((each) => {
    const name = each.replace(/(?:\[\])+$/, "");
    if (isRefusedName(name)) throw new RangeError("is no path of fields that have columns");
    return { name, arrays: (each.length - name.length) / 2 };
  });
}

/** Puts a column in a tree. @returns false if another one is in its way */
function place(root: Column, path: readonly Step[], leaf: Column): boolean {
  let parent = root;
  for (const [at, { name, arrays }] of path.entries()) {
    const isLast = at === path.length - 1;
    const existing = parent.children?.get(name);
    const made = existing ?? inArrays(isLast ? leaf : objectColumn(), arrays);
    if (existing && (isLast || arraysOf(existing) !== arrays) || !parent.children) return false;
    parent.children.set(name, made);
    parent = innermost(made);
  }
  return true;
}

const inArrays = (column: Column, count: number): Column =>
  count === 0 ? column : { kind: "array", element: inArrays(column, count - 1) };

/**
 * @example
 * IN: {total: "numeric(20,4)", location: "geo_point"} → OUT: {data: {total: numeric}, geo: {location: geo_point}}
 * @throws EntryError
 */
export function parseTypes(given: unknown): DesignedTypes {
  const types: Partial<Record<keyof DesignedTypes, Column>> = {};
  for (const [path, each] of entriesOf(given)) {
    ofEntry(path, each, () => {
      const { home, column } = parseType(each);
      const steps = parsePath(path);
      if (home !== "data" && steps.some(({ arrays }) => arrays > 0)) {
        throw new RangeError(`is in an array, and a ${column.kind} is made of one value`);
      }
      if (column.kind === "longtext" && steps.at(-1)?.arrays) {
        throw new RangeError("is an array, and CrateDB has no array of text without index");
      }
      if (place(types[home] ??= objectColumn(), steps, column)) return;
      throw new RangeError("is also the path of another type, or above or below one");
    });
  }
  return types;
}

/** The columns of the tables themselves. */
const OWN_COLUMNS: readonly string[] = ["oid", "data", "overflow", "part", "cdc", ...SHADOWS];

/** @example IN: {search: {columns: ["title", "tags[]"], analyzer: "english"}} → OUT: [{name: "search", columns: [[title], [tags]], …}] @throws EntryError */
export const parseFulltext = (given: unknown): readonly FulltextIndex[] =>
  entriesOf(given).map(([name, each]) =>
    ofEntry(name, each, () => {
      const { columns, analyzer = "standard", ...others } = Object.fromEntries(entriesOf(each));
      const [unknown] = Object.keys(others);
      if (unknown !== undefined) throw new RangeError(`has ${unknown}; it takes columns and analyzer`);
      const paths = Array.isArray(columns) ? columns : [];
      if (paths.length === 0 || !paths.every((path) => typeof path === "string")) {
        throw new RangeError("has no list of columns, such as columns: [title, body]");
      }
      if (typeof analyzer !== "string") {
        throw new RangeError("has an analyzer that is not a name, such as english");
      }
      if (isRefusedName(name) || OWN_COLUMNS.includes(name)) throw new RangeError("is no name for an index");
      return { name, columns: paths.map(parsePath), analyzer };
    })
  );

/** The types with the columns of the indexes, which are texts unless they are designed. @throws UsageError */
export function withIndexed(types: DesignedTypes, indexes: readonly FulltextIndex[]): DesignedTypes {
  if (indexes.length === 0) return types;
  const data = mapObjects(types.data ?? objectColumn(), (object) => object);
  for (const { name, columns } of indexes) {
    for (const path of columns) {
      const found = columnAt(data, path.map(({ name }) => name));
      const isText = found && ["text", "longtext"].includes(innermost(found).kind);
      if (isText || !found && place(data, path, { kind: "text" })) continue;
      throw new UsageError(`--fulltext ${name} has a column that is no text by --types: ${pathText(path)}`);
    }
  }
  return { ...types, data };
}

const pathText = (path: readonly Step[]): string =>
  path.map(({ name, arrays }) => name + "[]".repeat(arrays)).join(".");
