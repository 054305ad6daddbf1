import { BSON } from "mongodb";
import { UserError } from "../../util/errors.ts";
import { bytesFromHex, fieldsByName, stringAt } from "../../bson/bson.ts";

/** @throws UserError if the saved token was edited */
export function savedToken(hex: string): Uint8Array {
  try {
    const token = bytesFromHex(hex);
    BSON.deserialize(token);
    return token;
  } catch (cause) {
    throw new UserError(`The position of this stream cannot be read: its token is ${hex.slice(0, 40)}`, {
      hint:
        "The saved token was edited. Delete the row of this stream from cdc_position: the next start takes a new snapshot.",
      cause,
    });
  }
}

function dataOf(token: Uint8Array): string {
  const data = fieldsByName(token).get("_data");
  return data ? stringAt(data.bytes, data.offset) : "";
}

/** A token of version 1 starts with the cluster time: seconds and ordinal, eight hex digits each. */
export function clusterTimeOf(token: Uint8Array): BSON.Timestamp | undefined {
  const [, time] = /^82([0-9A-F]{16})/i.exec(dataOf(token)) ?? [];
  return time === undefined ? undefined : new BSON.Timestamp(BigInt(`0x${time}`));
}

/** Undefined for a token of another format. @example IN: {_data: "826B045A41000000012B…"} → OUT: 2026-11-23T15:22:25.000Z */
export function timeOf(token: Uint8Array): Date | undefined {
  const time = clusterTimeOf(token);
  return time && new Date(time.t * 1_000);
}

/** Whether a stream has reached a time; true for a token without a time. */
export const hasReached = (token: Uint8Array, time: BSON.Timestamp): boolean =>
  clusterTimeOf(token)?.gte(time) ?? true;

/** Whether a stream is at or after an event. Tokens sort like their events. */
export const hasReachedEvent = (token: Uint8Array, event: Uint8Array): boolean =>
  dataOf(token) >= dataOf(event);

/** A token of no event: the server has read everything up to its time. */
const AFTER_ALL = /^82[0-9A-F]{16}2B[0-9A-F]{2}29/i;

/**
 * Whether a stream has read all events up to a time. Events of a transaction share their time, so the token of one event
 * does not prove that for its own time.
 * @example IN: a token of 12:00:00, ordinal 1, {t: 12:00:00, i: 1} → OUT: true for a token of no event, false otherwise
 */
export function hasPassed(token: Uint8Array, time: BSON.Timestamp): boolean {
  const reached = clusterTimeOf(token);
  return reached?.eq(time) ? AFTER_ALL.test(dataOf(token)) : reached?.gt(time) ?? false;
}

/** The lag of a stream in whole seconds. @param now by MongoDB's clock, in milliseconds since 1970 */
export const secondsBehind = (token: Uint8Array, now: number): number =>
  Math.max(0, Math.round((now - (timeOf(token)?.getTime() ?? now)) / 1_000));
