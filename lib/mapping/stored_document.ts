/** The document that a row stores, with the types of its columns. Pure. */
import { BSON } from "../bson/library.ts";
import { Digits, type Json, parseJson } from "../util/lossless_json.ts";
import { arraysOf, type Column, innermost } from "./column_tree.ts";
import type { Kind } from "./column_types.ts";
import { unescapeNames } from "./escape_name.ts";
import type { StoredRow } from "./split_document.ts";

/**
 * A document with the same JSON as the row's. The text of an ObjectId or a Decimal128 is a string in it, so that a split
 * of it may leave in `overflow` what a split of the row's document puts in `data`.
 * @example
 * IN: {data: '{"at":1793491200000,"n":1}', overflow: '{"t":"x"}'}, {at: timestamp, n: bigint}
 * OUT: BSON of {at: ISODate("2026-11-01"), n: Long(1), t: "x"}
 */
export function storedDocument({ data, overflow }: StoredRow, columns: Column): Uint8Array {
  const outside = overflow === null ? undefined : unescapeNames(parseJson(overflow));
  const whole = valueOf(parseJson(data), outside, columns);
  return BSON.serialize(whole as BSON.Document, { checkKeys: false });
}

/** Where a value is. Of an array in both, `data` lacks some values. */
type Home = "data" | "both" | "overflow";

function valueOf(inside: Json | undefined, outside: Json | undefined, column: Column | undefined): unknown {
  if (inside instanceof Map && (outside === undefined || outside instanceof Map)) {
    const names = new Set([...inside.keys(), ...outside?.keys() ?? []]);
    return new Map([...names].map((name) => [
      name,
      valueOf(inside.get(name), outside?.get(name), column?.children?.get(name)),
    ]));
  }
  const home = outside === undefined ? "data" : inside === undefined ? "overflow" : "both";
  // An array moves as a whole: its dates have to fit again, too.
  const isTyped = home !== "overflow" || Array.isArray(outside);
  const hint = isTyped ? column : TAKES_INTEGERS.includes(column?.kind) ? DATE : undefined;
  return typed(outside ?? inside ?? null, hint, home);
}

/** A whole number that such a column does not have is a date. */
const TAKES_INTEGERS: readonly (Kind | undefined)[] = ["bigint", "double"];
const DATE: Column = { kind: "timestamp" };

/** A value of a column, or of none. */
function typed(value: Json, column: Column | undefined, home: Home): unknown {
  if (Array.isArray(value)) return value.map((each) => typed(each, column?.element, home));
  if (value instanceof Map) {
    return new Map([...value].map(([name, each]) => [name, typed(each, column?.children?.get(name), home)]));
  }
  const isReal = home !== "overflow" && (column?.kind === "double" || column?.kind === "real");
  if (value instanceof Digits) {
    if (column?.numeric && home === "data") return BSON.Decimal128.fromString(shortest(value.text));
    return isReal ? new BSON.Double(Number(value.text)) : numberOf(value, column);
  }
  if (typeof value !== "string") return value;
  if (column?.numeric && home === "both") return BSON.Decimal128.fromString(value);
  return isReal ? new BSON.Double(Number(value)) : value;
}

/** The latest date of JavaScript. */
const END_MS = 8.64e15;

function numberOf({ text }: Digits, column: Column | undefined): unknown {
  if (!/^-?\d+$/.test(text)) return new BSON.Double(Number(text));
  if (column?.kind === "timestamp" && Math.abs(Number(text)) <= END_MS) return new Date(Number(text));
  const whole = BigInt(text);
  return BigInt.asIntN(64, whole) === whole ? BSON.Long.fromBigInt(whole) : new BSON.Double(Number(text));
}

/** Without the zeros that a NUMERIC adds: a Decimal128 has 34 digits. @example IN: 1.1000 → OUT: 1.1 */
const shortest = (text: string): string => text.replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

/** Whether a NUMERIC column, or an array of them, stores all that another one does. */
export function takesNumeric(wanted: Column, existing: Column): boolean {
  const [to, from] = [innermost(wanted).numeric, innermost(existing).numeric];
  return to !== undefined && from !== undefined && arraysOf(wanted) === arraysOf(existing) &&
    to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale;
}
