/** MongoDB's clocks: the logical time of its operations, and the wall clock of the server. */
import type { Abortable, BSON, MongoClient, RunCommandOptions } from "mongodb";
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

/** The highest ordinal of a second: a time with it covers the whole second. */
export const LAST_ORDINAL = 2 ** 32 - 1;

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
export class ServerClock {
  readonly #clock: Pick<Clock, "monotonic">;
  /** The server's time at 0 of the monotonic clock. */
  #zero: number;

  private constructor(zero: number, clock: Pick<Clock, "monotonic">) {
    this.#zero = zero;
    this.#clock = clock;
  }

  static async read(
    reader: Pick<CausalReader, "read">,
    clock: Pick<Clock, "now" | "monotonic">,
  ): Promise<ServerClock> {
    const zero = await reader.read((client, options) => zeroOf(client, clock, options));
    return new ServerClock(zero ?? clock.now() - clock.monotonic(), clock);
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#zero + this.#clock.monotonic();
  }

  /** Reads the server's clock again: it may have been set, and clocks drift. */
  async readAgain(client: MongoClient): Promise<void> {
    const signal = AbortSignal.timeout(MAX_ROUND_TRIP_MS);
    this.#zero = await zeroOf(client, this.#clock, { signal }) ?? this.#zero;
  }
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
