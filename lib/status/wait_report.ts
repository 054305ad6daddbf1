/** What people and programs read of a wait. Pure. */
import { clusterTimeFields, clusterTimeText } from "../source/connection/cluster_time.ts";
import { durationText } from "../util/duration_text.ts";
import type { StreamOutcome, Waited } from "./wait.ts";

/** "no stream" if no stream was found to wait for. */
export type WaitOutcome = "shown" | "behind" | "no stream";

export function waitOutcome({ streams }: Pick<Waited, "streams">): WaitOutcome {
  if (streams.length === 0) return "no stream";
  return streams.every(({ outcome }) => outcome === "shown") ? "shown" : "behind";
}

const TEXTS: Readonly<Record<StreamOutcome, (time: string) => string>> = {
  shown: (time) => `shows everything up to ${time}`,
  behind: (time) => `does not show everything up to ${time}`,
  "not followed": (time) => `does not show everything up to ${time}, and no relay follows it`,
};

/**
 * A line for each stream, or why none was found.
 *
 * @param duration in milliseconds
 *
 * @example
 * IN: {at: Timestamp(1700000000, 3), streams: [{stream: "shop.* -> …", outcome: "shown"}], …}, 120
 * OUT: shop.* -> … shows everything up to 2023-11-14T22:13:20.000Z (3), after 120 ms
 */
export function waitText({ at, streams, absence }: Waited, duration: number): string {
  const lines = streams.map(({ stream, outcome }) =>
    `${stream} ${TEXTS[outcome](clusterTimeText(at))}, after ${durationText(duration)}`
  );
  return [...lines, ...absence].join("\n");
}

/**
 * The same as one line of JSON.
 *
 * @example
 * OUT: {"outcome":"shown","cluster_time":"2023-11-14T22:13:20.000Z","operation_time":"1700000000:3","duration_ms":120,
 * "streams":[{"stream":"shop.* -> …","outcome":"shown"}]}
 */
export const waitJson = (waited: Waited, duration: number): string =>
  JSON.stringify({
    outcome: waitOutcome(waited),
    ...clusterTimeFields(waited.at),
    duration_ms: Math.round(duration),
    streams: waited.streams,
  });
