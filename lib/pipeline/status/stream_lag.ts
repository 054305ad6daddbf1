/** The lag of the tables behind the collections, by MongoDB's clock. */
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import { hasReached, timeOf } from "../../source/stream/resume_token.ts";
import type { Advance } from "./events.ts";

type Read = Pick<ChangeBatch, "events" | "token" | "operationTime" | "wallTime">;

/** With a larger lag a stream is catching up: its rows are late, however often they are made visible. */
export const FRESH_MS = 2_000;

/** MongoDB's answer may be newer than the token of a stream without changes by this much. */
const ANSWER_MS = 2_000;

/** The time of a batch's newest change, to the second if MongoDB reports no better; null for a token of another form. */
const timeOfBatch = ({ wallTime, token }: Read): number | null =>
  wallTime ?? timeOf(token)?.getTime() ?? null;

/** Milliseconds since a batch's newest change, at least 1: 0 means that no change is waiting. @param now by MongoDB's clock */
export function ageOf(batch: Read, now: number): number | null {
  const time = timeOfBatch(batch);
  return time === null ? null : Math.max(1, Math.round(now - time));
}

/**
 * Cluster time and lag after a batch is applied, by MongoDB's clock; `before` is the cluster time before it. An empty batch proves that no change is waiting, unless it is from the
 * middle of a long oplog of other collections.
 *
 * @example
 * IN: {events: 3, wallTime: 12:00:00.000, …}, {now: 12:00:00.020, …} → OUT: {clusterTime: 12:00:00.000, lag: 20}
 * IN: {events: 0, token of 12:00:00, operationTime 12:00:00, …}, {now: 12:00:09, …} → OUT: {clusterTime: 12:00:00, lag: 0}
 */
export function advanceOf(
  batch: Read,
  { now, before }: { readonly now: number; readonly before: number | null },
): Advance {
  const time = timeOfBatch(batch);
  // A token has seconds; the event before it may have had milliseconds.
  const clusterTime = time === null ? before : Math.max(before ?? time, time);
  return { clusterTime, lag: batch.events > 0 ? ageOf(batch, now) : behindAnswer(batch) };
}

function behindAnswer({ token, operationTime }: Read): number {
  if (!operationTime || hasReached(token, operationTime)) return 0;
  const behind = operationTime.t * 1_000 - (timeOf(token)?.getTime() ?? 0);
  return behind > ANSWER_MS ? behind : 0;
}
