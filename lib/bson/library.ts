/** The BSON library of the driver. Loading the whole driver takes longer than a command needs that has no server. */
// @ts-types="mongodb"
import { BSON } from "mongodb/lib/bson.js";

export { BSON };

/** The highest ordinal of a second: a time with it covers the whole second. */
export const LAST_ORDINAL = 2 ** 32 - 1;

/** @example IN: 1700000000:3 → OUT: Timestamp(1700000000, 3); IN: 2023-11-14T22:13:20Z → OUT: the end of that second */
export function operationTime(text: string): "now" | BSON.Timestamp {
  if (text === "now") return text;
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN;
  const [, seconds = Math.floor(time / 1_000), ordinal = LAST_ORDINAL] =
    /^(\d{1,10}):(\d{1,10})$/.exec(text) ?? [];
  const [t, i] = [Number(seconds), Number(ordinal)];
  if (t <= LAST_ORDINAL && i <= LAST_ORDINAL) return new BSON.Timestamp({ t, i });
  throw new RangeError("is neither now, nor a time such as 2026-01-31T12:00:00Z, nor an operation time T:I");
}
