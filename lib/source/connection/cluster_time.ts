/** MongoDB's clocks: the logical time of its operations, and the wall clock of the server. */
import type { Abortable, BSON, MongoClient, RunCommandOptions } from "mongodb";
import { LAST_ORDINAL } from "../../bson/library.ts";
import type { Clock } from "../../util/clock.ts";
import { ANSWER_LIMITS, AnswerLimit } from "./answer_limit.ts";
import type { CausalReader } from "./causal_reader.ts";
import type { Route } from "./route.ts";

/** The time of the deployment's newest operation: everything written so far is not newer. */
export async function operationTimeOf({ client }: Route): Promise<BSON.Timestamp> {
  await using session = client.startSession();
  await new AnswerLimit(ANSWER_LIMITS.read).run(({ signal }) =>
    client.db("admin").command({ hello: 1 }, { session, signal })
  );
  if (!session.operationTime) throw new Error("MongoDB answered without operationTime");
  return session.operationTime;
}

/** @example IN: Timestamp {t: 1732665552, i: 3} → OUT: 2024-11-26T23:59:12.000Z (3) */
export const clusterTimeText = (time: BSON.Timestamp): string =>
  `${isoOf(time)} (${time.i === LAST_ORDINAL ? "all of that second" : time.i})`;

/** The fields of a cluster time in `--json`. `wait --at` accepts `operation_time`, such as "1732665552:3". */
export const clusterTimeFields = (time: BSON.Timestamp | undefined) => ({
  cluster_time: time ? isoOf(time) : null,
  operation_time: time ? `${time.t}:${time.i}` : null,
});

const isoOf = ({ t }: BSON.Timestamp): string => new Date(t * 1_000).toISOString();

/** The server's wall clock, continued by the local monotonic clock, because the local wall clock may differ or be set. */
export interface ServerClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Reads the server's clock again: it may have been set, and clocks drift. */
  readAgain(client: MongoClient): Promise<void>;
}

export async function serverClock(
  reader: Pick<CausalReader, "read">,
  clock: Pick<Clock, "now" | "monotonic">,
): Promise<ServerClock> {
  /** The server's time at 0 of the monotonic clock. */
  let zero = await reader.read((client, options) => zeroOf(client, clock, options)) ??
    clock.now() - clock.monotonic();
  return {
    now: () => zero + clock.monotonic(),
    async readAgain(client) {
      const signal = AbortSignal.timeout(MAX_ROUND_TRIP_MS);
      zero = await zeroOf(client, clock, { signal }) ?? zero;
    },
  };
}

/** A slower answer is too imprecise. */
const MAX_ROUND_TRIP_MS = 2_000;

/** Assumes that the server read its clock in the middle of the round trip. */
async function zeroOf(
  client: MongoClient,
  clock: Pick<Clock, "monotonic">,
  options: RunCommandOptions & Abortable,
): Promise<number | undefined> {
  const askedAt = clock.monotonic();
  const { localTime } = await client.db("admin").command({ hello: 1 }, options);
  const answeredAt = clock.monotonic();
  const isPrecise = localTime instanceof Date && answeredAt - askedAt <= MAX_ROUND_TRIP_MS;
  return isPrecise ? localTime.getTime() - (askedAt + answeredAt) / 2 : undefined;
}
