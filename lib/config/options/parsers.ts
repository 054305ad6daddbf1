/** What the values of options may be. */
import { BSON } from "mongodb";
import { LAST_ORDINAL } from "../../source/connection/cluster_time.ts";

/** Names and patterns that are given as a list: `a,b_*`. */
export const names = (value: string): readonly string[] => {
  const list = value.split(",").map((name) => name.trim()).filter(Boolean);
  if (value !== "" && list.length === 0) throw new RangeError("names nothing");
  return list;
};

export const text = (value: string): string => {
  if (value === "") throw new RangeError("is empty");
  return value;
};

export const count = (minimum: number) => (value: string): number => {
  if (!/^\d+$/.test(value) || Number(value) < minimum) {
    throw new RangeError(`is not a whole number of at least ${minimum}`);
  }
  return Number(value);
};

export const oneOf =
  <const Choice extends string>(...choices: readonly Choice[]) => (value: string): Choice => {
    const choice = choices.find((each) => each === value);
    if (choice === undefined) throw new RangeError(`is none of ${choices.join(", ")}`);
    return choice;
  };

/** Milliseconds of each unit of time. */
const UNITS_MS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** @example IN: 250ms → OUT: 250; IN: 2m → OUT: 120000; IN: forever → OUT: Infinity */
export function duration(value: string): number {
  if (value === "forever") return Infinity;
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(value) ?? [];
  if (number === undefined) throw new RangeError("is not a duration such as 250ms, 10s or 2m");
  return Number(number) * (UNITS_MS[unit ?? ""] ?? 1);
}

/**
 * @example
 * IN: now → OUT: "now"; IN: 1700000000:3 → OUT: Timestamp(1700000000, 3); IN: 2023-11-14T22:13:20Z → OUT: the end of that second
 */
export function operationTime(value: string): "now" | BSON.Timestamp {
  if (value === "now") return value;
  const [, t, i] = /^(\d{1,10}):(\d{1,10})$/.exec(value) ?? [];
  if (t !== undefined && i !== undefined) return timestamp(Number(t), Number(i));
  const time = /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value) : NaN;
  if (Number.isNaN(time)) throw notATime();
  return timestamp(Math.floor(time / 1_000), LAST_ORDINAL);
}

function timestamp(t: number, i: number): BSON.Timestamp {
  if (t > LAST_ORDINAL || i > LAST_ORDINAL) throw notATime();
  return new BSON.Timestamp({ t, i });
}

const notATime = (): RangeError =>
  new RangeError("is neither now, nor a time such as 2026-01-31T12:00:00Z, nor an operation time T:I");

/** Bytes of each unit of size. */
const UNITS_BYTES: Readonly<Record<string, number>> = { "": 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** @example IN: 16MiB → OUT: 16777216 */
export function byteSize(value: string): number {
  const [, number, unit] = /^(\d+)(kib|mib|gib|)$/i.exec(value) ?? [];
  if (number === undefined || Number(number) === 0) {
    throw new RangeError("is not a size such as 16MiB or 500000");
  }
  return Number(number) * (UNITS_BYTES[unit?.toLowerCase() ?? ""] ?? 1);
}

/** Parses a text, unless it is empty. */
export const optional = <Value>(parse: (text: string) => Value) => (value: string): Value | undefined =>
  value === "" ? undefined : parse(value);
