/** Reads resume tokens. */
import { BSON } from "mongodb";
import { UserError } from "../util/errors.ts";
import { bytesFromHex, fieldsByName, stringAt } from "../bson/bson.ts";

/**
 * Parses a resume token that was saved.
 *
 * @throws UserError where somebody has changed it
 */
export function savedToken(hex: string): Uint8Array {
  try {
    const token = bytesFromHex(hex);
    BSON.deserialize(token);
    return token;
  } catch (cause) {
    throw new UserError(`The position of this stream cannot be read: its token is ${hex.slice(0, 40)}`, {
      hint:
        "Somebody has changed it. Delete the row of this stream from cdc_position: the next start takes a new snapshot.",
      cause,
    });
  }
}

/** A token of version 1 starts with the cluster time: seconds and ordinal, eight hex digits each. */
const TIME = /^82([0-9A-F]{8})([0-9A-F]{8})/i;

function clusterTime(token: Uint8Array): { seconds: number; ordinal: number } | undefined {
  const data = fieldsByName(token).get("_data");
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

/** Whether a stream has reached a time; true if its token does not tell. */
export function hasReached(token: Uint8Array, { t, i }: BSON.Timestamp): boolean {
  const time = clusterTime(token);
  return !time || time.seconds > t || time.seconds === t && time.ordinal >= i;
}

export const lostSince = (token: Uint8Array): string | undefined => timeOf(token)?.toISOString();

/** Whole seconds that a stream is behind. @param now by MongoDB's clock, in milliseconds since 1970 */
export function secondsBehind(token: Uint8Array, now: number): number {
  const time = timeOf(token);
  return time ? Math.max(0, Math.round((now - time.getTime()) / 1_000)) : 0;
}
