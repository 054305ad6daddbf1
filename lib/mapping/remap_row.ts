/** Moves values of an existing row between `data` and `overflow` after columns were widened. */
import { Digits, isNothing, type Json, jsonText, parseJson } from "../util/lossless_json.ts";
import type { Column, ColumnPath } from "./column_tree.ts";
import { type Kind, MAX_EXACT, MAX_TEXT_BYTES, UUID } from "./column_types.ts";
import { numericText } from "./decimal.ts";
import { escapeNames, unescapeNames } from "./escape_name.ts";
import type { StoredRow } from "./split_document.ts";

/**
 * The row under the new columns. Values that fit now move from `overflow` to `data`, and those that no longer fit the
 * other way. Undefined if the row does not change.
 * @example
 * IN: {data: '{"n":1}', overflow: '{"t":20.5}'}, columns {n: bigint, t: double}, [["t"]]
 * OUT: {data: '{"n":1,"t":20.5}', overflow: null}
 */
export function remapRow(
  row: StoredRow,
  columns: Column,
  paths: readonly ColumnPath[],
): StoredRow | undefined {
  const data = objectOf(parseJson(row.data));
  const overflow = objectOf(unescapeNames(parseJson(row.overflow ?? "{}")));
  let moved = false;
  for (const { column, names, below } of movable(columns, paths)) {
    const inside = valueAt(data, names);
    const outside = valueAt(overflow, names);
    if (inside === undefined && outside !== undefined) {
      const held = heldIn(column, outside);
      if (held === undefined || !put(data, names, held)) continue;
      if (jsonText(held) === jsonText(outside)) remove(overflow, names);
      moved = true;
    } else if (inside !== undefined && !fits(inside, below)) {
      remove(data, names, { keepParents: true });
      if (outside === undefined) put(overflow, names, inside, { makeParents: true });
      moved = true;
    }
  }
  if (!moved) return undefined;
  return {
    data: jsonText(asSent(data, columns)),
    overflow: overflow.size === 0 ? null : jsonText(escapeNames(overflow)),
  };
}

/** A value of a row as it is written again: CrateDB reads all digits of a NUMERIC only from a text. */
function asSent(value: Json, { kind, element, children }: Column): Json {
  if (kind === "numeric" && value instanceof Digits) return value.text;
  if (element && Array.isArray(value)) return value.map((each) => asSent(each, element));
  if (!children || !(value instanceof Map)) return value;
  return new Map([...value].map(([name, each]) => {
    const child = children.get(name);
    return [name, child ? asSent(each, child) : each];
  }));
}

type JsonObject = Map<string, Json>;

const objectOf = (value: Json): JsonObject => value instanceof Map ? value : new Map();

/** Names that lead to widened columns, through all items of arrays. */
type Names = Map<string, Names>;

/** A value that moves as a whole, and the names below it. */
interface Movable {
  readonly column: Column;
  readonly names: ColumnPath;
  readonly below: Names;
}

/** For each path the outermost array on it, else the column; each once. */
function movable(columns: Column, paths: readonly ColumnPath[]): Iterable<Movable> {
  const found = new Map<string, Movable>();
  for (const path of paths) {
    let column: Column | undefined = columns;
    let length = 0;
    while (length < path.length && column && !column.element) {
      column = column.children?.get(path[length] ?? "");
      length++;
    }
    if (!column) continue;
    const names = path.slice(0, length);
    const key = JSON.stringify(names);
    const one = found.get(key) ?? { column, names, below: new Map() };
    found.set(key, one);
    let level: Names = one.below;
    for (const name of path.slice(length)) {
      const next: Names = level.get(name) ?? new Map();
      level.set(name, next);
      level = next;
    }
  }
  return found.values();
}

/** Whether the widened columns store all numbers at these names. */
function fits(value: Json, names: Names): boolean {
  if (value instanceof Digits) return isDouble(value);
  if (Array.isArray(value)) return value.every((each) => fits(each, names));
  if (!(value instanceof Map) || names.size === 0) return true;
  for (const [name, each] of value) {
    const below = names.get(name);
    if (below && !fits(each, below)) return false;
  }
  return true;
}

const valueAt = (object: JsonObject, path: ColumnPath): Json | undefined =>
  path.reduce<Json | undefined>((at, name) => at instanceof Map ? at.get(name) : undefined, object);

/** @returns false if a parent does not exist */
function put(object: JsonObject, path: ColumnPath, value: Json, { makeParents = false } = {}): boolean {
  let parent = object;
  for (const name of path.slice(0, -1)) {
    let child = parent.get(name);
    if (child === undefined && makeParents) parent.set(name, child = new Map());
    if (!(child instanceof Map)) return false;
    parent = child;
  }
  parent.set(path.at(-1) ?? "", value);
  return true;
}

function remove(object: JsonObject, [name = "", ...rest]: ColumnPath, { keepParents = false } = {}): void {
  const child = object.get(name);
  if (rest.length > 0 && child instanceof Map) {
    remove(child, rest, { keepParents });
    if (child.size > 0 || keepParents) return;
  }
  object.delete(name);
}

const isWhole = (text: string): boolean => /^-?\d+$/.test(text);
/** Excludes both ends of the range, which CrateDB 6 refuses. */
const integer = (bits: number) => (value: Json): boolean => {
  if (!(value instanceof Digits) || !isWhole(value.text)) return false;
  const whole = BigInt(value.text);
  const end = 2n ** BigInt(bits - 1) - 1n;
  return whole < end && whole > -end - 1n;
};
const isDouble = (value: Json): boolean => {
  if (!(value instanceof Digits)) return false;
  const whole = isWhole(value.text) ? BigInt(value.text) : 0n;
  return whole <= MAX_EXACT && whole >= -MAX_EXACT;
};

/** What a scalar column stores unchanged, judged by the JSON alone: the text NaN may be a text. */
const HOLDS: Readonly<Partial<Record<Kind, (value: Json) => boolean>>> = {
  text: (value) => typeof value === "string" && new TextEncoder().encode(value).length <= MAX_TEXT_BYTES,
  longtext: (value) => typeof value === "string",
  bigint: integer(64),
  inferred: integer(64),
  timestamp: integer(64),
  integer: integer(32),
  smallint: integer(16),
  double: isDouble,
  boolean: (value) => typeof value === "boolean",
  uuid: (value) => typeof value === "string" && UUID.test(value),
};

/** The part of a value that a column stores, without nulls and empty arrays of objects; undefined if it does not fit. */
function heldIn(column: Column, value: Json): Json | undefined {
  // CrateDB would misread names that are escaped in `overflow`.
  if (column.kind === "ignored") {
    return value instanceof Map && jsonText(escapeNames(value)) === jsonText(value) ? value : undefined;
  }
  if (column.numeric) {
    return value instanceof Digits && numericText(value.text, column.numeric) !== undefined
      ? value
      : undefined;
  }
  if (Array.isArray(value)) {
    const { element } = column;
    const held = element && value.map((each) => each === null ? null : heldIn(element, each));
    return held?.some((each) => each === undefined) ? undefined : held as Json[] | undefined;
  }
  if (column.kind === "object" && value instanceof Map) {
    const held: JsonObject = new Map();
    for (const [name, each] of value) {
      const child = column.children?.get(name);
      if (each === null || !child && isNothing(each)) continue;
      const inner = child && heldIn(child, each);
      if (inner === undefined) return undefined;
      held.set(name, inner);
    }
    return held;
  }
  return HOLDS[column.kind]?.(value) ? value : undefined;
}
