/** The time that a resume token is of. */
import type { BSON } from "mongodb";
import { fields, stringAt } from "../row/bson.ts";

/** A token of version 1 begins with the operation's time: seconds and ordinal, as eight hex digits each. */
const TIME = /^82([0-9A-F]{8})([0-9A-F]{8})/i;

function clusterTime(token: Uint8Array): { seconds: number; ordinal: number } | undefined {
  const data = fields(token).get("_data");
  const [, seconds, ordinal] = TIME.exec(data ? stringAt(data.bytes, data.offset) : "") ?? [];
  return seconds === undefined || ordinal === undefined
    ? undefined
    : { seconds: parseInt(seconds, 16), ordinal: parseInt(ordinal, 16) };
}

/**
 * @example
 * IN: {_data: "826B045A41000000012B…"} → OUT: 2026-11-23T15:22:25.000Z
 *
 * @returns undefined for a token of another form
 */
export function timeOf(token: Uint8Array): Date | undefined {
  const time = clusterTime(token);
  return time && new Date(time.seconds * 1_000);
}

/** Whether a stream has come to a time, or its token doesn't tell. */
export function hasReached(token: Uint8Array, { t, i }: BSON.Timestamp): boolean {
  const time = clusterTime(token);
  return !time || time.seconds > t || time.seconds === t && time.ordinal >= i;
}

export const lostSince = (token: Uint8Array): string | undefined => timeOf(token)?.toISOString();

/** Whole seconds that a stream is behind, going by the clocks of both machines. */
export function secondsBehind(token: Uint8Array): number {
  const time = timeOf(token);
  return time ? Math.max(0, Math.round((Date.now() - time.getTime()) / 1_000)) : 0;
}
