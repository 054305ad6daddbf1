/** Which partition of its table a document's row is in. Pure. */
import {
  BsonType,
  type BsonValue,
  documentValue,
  ElementCursor,
  hexAt,
  int32At,
  int64At,
  stringAt,
  uint32At,
} from "../bson/bson.ts";
import { ifStorable } from "../util/errors.ts";

export const TIME_UNITS = ["year", "month", "week", "day", "hour"] as const;

export type TimeUnit = typeof TIME_UNITS[number];

export interface PartitionBy {
  /** A time is cut to the start of its unit in UTC; a value is itself. */
  readonly unit: TimeUnit | "value";
  /** From the document down. `_id` never changes, so a row stays in its partition. */
  readonly path: readonly string[];
}

/** How long rows are kept: `24 months`. */
export interface Retention {
  readonly count: number;
  readonly unit: TimeUnit;
}

/** The value of the column `part`: the digits of milliseconds since 1970, or a text. */
export type Part = string;

/** The type of `part` in statements; of a time, it becomes a timestamp. */
export type PartType = "bigint" | "text";

export const partTypeOf = ({ unit }: PartitionBy): PartType => unit === "value" ? "text" : "bigint";

/**
 * Parses a setting, a text or the mapping of a file.
 * @example
 * IN: "month=$id" → OUT: {unit: "month", path: ["_id"]}
 * IN: {value: "address.country"} → OUT: {unit: "value", path: ["address", "country"]}
 * @throws RangeError
 */
export function parsePartitionBy(given: unknown): PartitionBy {
  const entries = typeof given === "string"
    ? [given.split("=", 2)]
    : Object.entries(given !== null && typeof given === "object" ? given : {});
  const [[name, place] = []] = entries;
  const unit = [...TIME_UNITS, "value" as const].find((each) => each === name);
  if (!unit || entries.length > 1 || typeof place !== "string") {
    throw new RangeError(`is not one of ${TIME_UNITS.join(", ")}, value with a field, such as month=$id`);
  }
  const path = place === "$id" ? ["_id"] : place.split(".");
  if (path.some((name) => /^$|\[\]$/.test(name)) || place !== "$id" && place.startsWith("$")) {
    throw new RangeError("has no $id, and no path of a field outside arrays, such as address.country");
  }
  return { unit, path };
}

/** The inverse of {@linkcode parsePartitionBy}. @example OUT: month=$id */
export const partitionText = ({ unit, path }: PartitionBy): string =>
  `${unit}=${path.length === 1 && path[0] === "_id" ? "$id" : path.join(".")}`;

/** @example OUT: 24 months */
export const retentionText = ({ count, unit }: Retention): string => `${count} ${unit}s`;

/** @example IN: 24 months → OUT: {count: 24, unit: "month"} @throws RangeError */
export function parseRetention(text: string): Retention {
  const [, count, name] = /^(\d{1,4}) ?([a-z]+?)s?$/.exec(text) ?? [];
  const unit = TIME_UNITS.find((each) => each === name);
  if (unit && Number(count) > 0) return { count: Number(count), unit };
  throw new RangeError(
    `is not a number of ${TIME_UNITS.map((each) => `${each}s`).join(", ")}, such as 24 months`,
  );
}

/** CrateDB makes the name of a partition, which has a limit, from its value. */
const MAX_VALUE_BYTES = 100;

/** The partition of values that are missing or unfit. */
export const unfitPart = ({ unit }: PartitionBy): Part => unit === "value" ? "" : "0";

export const isFixed = ({ path }: PartitionBy): boolean => path[0] === "_id";

/**
 * @example
 * IN: {at: ISODate("2026-11-30T07:00:00Z")}, {unit: "month", path: ["at"]} → OUT: 1793491200000 for 2026-11-01
 * IN: {_id: ObjectId("669683c2…")}, {unit: "day", path: ["_id"]} → OUT: 1721088000000 for 2024-07-16
 * IN: {country: "AT"}, {unit: "value", path: ["country"]} → OUT: AT
 * IN: {}, {unit: "day", path: ["at"]} → OUT: undefined, as for a document with a name or a text that is not UTF-8
 */
export const partOf = (document: Uint8Array, { unit, path }: PartitionBy): Part | undefined =>
  ifStorable(() => partOfValue(valueAt(documentValue(document), path), unit));

/** The partition of a row that an `_id` determines: with {@linkcode isFixed}. */
export const partOfId = (id: BsonValue, { unit, path }: PartitionBy): Part | undefined =>
  partOfValue(valueAt(id, path.slice(1)), unit);

/** Not in an array. Of a name that repeats, the last one. */
export function valueAt(value: BsonValue, path: readonly string[]): BsonValue | undefined {
  let found: BsonValue | undefined = value;
  for (const name of path) {
    if (found?.type !== BsonType.document) return undefined;
    const element: ElementCursor = new ElementCursor(found.bytes, found.offset);
    found = undefined;
    while (element.next()) if (element.name.text === name) found = element.value;
  }
  return found;
}

function partOfValue(value: BsonValue | undefined, unit: PartitionBy["unit"]): Part | undefined {
  if (!value) return undefined;
  if (unit === "value") return TEXTS[value.type]?.(value);
  const time = TIMES[value.type]?.(value);
  return time === undefined || time < FIRST_MS || time >= END_MS
    ? undefined
    : String(startOf(unit, new Date(time)));
}

/** The years that have four digits. */
const FIRST_MS = Date.parse("0001-01-01T00:00:00Z");
const END_MS = Date.parse("+010000-01-01T00:00:00Z");

const TIMES: Readonly<Record<number, (value: BsonValue) => number>> = {
  [BsonType.date]: ({ bytes, offset }) => Number(int64At(bytes, offset)),
  [BsonType.objectId]: ({ bytes, offset }) => Number.parseInt(hexAt(bytes, offset, 4), 16) * 1_000,
  [BsonType.timestamp]: ({ bytes, offset }) => uint32At(bytes, offset + 4) * 1_000,
};

const TEXTS: Readonly<Record<number, (value: BsonValue) => string | undefined>> = {
  [BsonType.string]: ({ bytes, offset }) =>
    int32At(bytes, offset) - 1 <= MAX_VALUE_BYTES ? stringAt(bytes, offset) : undefined,
  [BsonType.int32]: ({ bytes, offset }) => String(int32At(bytes, offset)),
  [BsonType.int64]: ({ bytes, offset }) => String(int64At(bytes, offset)),
  [BsonType.boolean]: ({ bytes, offset }) => String(bytes[offset] === 1),
  [BsonType.objectId]: ({ bytes, offset }) => hexAt(bytes, offset, 12),
};

/** The partition of rows without a time never expires. It also has the rows of 1970. */
export const isExpired = (part: Part | undefined, firstKept: number): boolean =>
  part !== undefined && part !== "0" && Number(part) < firstKept;

/** The first partition that is kept now: of a table whose settings these are. */
export function firstKeptNow(
  { partitionBy, keep }: {
    readonly partitionBy?: PartitionBy | undefined;
    readonly keep?: Retention | undefined;
  },
  now: number,
): number {
  return partitionBy && partitionBy.unit !== "value" && keep
    ? firstKept(keep, partitionBy.unit, now)
    : -Infinity;
}

/**
 * The first partition that is kept: older ones have expired as a whole.
 * @example IN: 24 months by day at 2026-11-30T07:00Z → OUT: 2024-11-30T00:00Z
 */
export function firstKept({ count, unit }: Retention, by: TimeUnit, now: number): number {
  const time = new Date(now);
  const day = time.getUTCDate();
  time.setUTCMonth(time.getUTCMonth() - (MONTHS[unit] ?? 0) * count);
  // The 31st of a month has no counterpart in shorter ones.
  if (time.getUTCDate() !== day) time.setUTCDate(0);
  return startOf(by, new Date(time.getTime() - (HOURS[unit] ?? 0) * count * HOUR_MS));
}

const HOUR_MS = 3_600_000;
const MONTHS: Readonly<Partial<Record<TimeUnit, number>>> = { year: 12, month: 1 };
const HOURS: Readonly<Partial<Record<TimeUnit, number>>> = { week: 7 * 24, day: 24, hour: 1 };

/** A week starts on Monday. */
function startOf(unit: TimeUnit, time: Date): number {
  time.setUTCMinutes(0, 0, 0);
  if (unit !== "hour") time.setUTCHours(0);
  if (unit === "week") time.setUTCDate(time.getUTCDate() - (time.getUTCDay() + 6) % 7);
  if (unit === "month" || unit === "year") time.setUTCDate(1);
  if (unit === "year") time.setUTCMonth(0);
  return time.getTime();
}
