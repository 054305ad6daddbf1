/** MongoDB's clock. The lag is measured by it, because this machine's may differ. */
import type { Abortable, MongoClient, RunCommandOptions } from "mongodb";
import type { Clock } from "../util/clock.ts";
import type { CausalReader } from "./causal_reader.ts";

/**
 * The clock of the server as it was read last, carried on by this machine's monotonic one: so a change of this machine's
 * clock does not matter, and one of the server's until {@linkcode read} is called again.
 *
 * @example
 * IN: a server at 12:00:00.000, 250 ms ago → OUT: now() is 12:00:00.250 in milliseconds since 1970
 */
export class ServerClock {
  readonly #clock: Pick<Clock, "monotonic">;
  /** What the server's clock shows where the monotonic one shows 0. */
  #zero: number;

  private constructor(zero: number, clock: Pick<Clock, "monotonic">) {
    this.#zero = zero;
    this.#clock = clock;
  }

  /** @throws MongoError */
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

  /**
   * Reads the server's clock again. It may have been set, and clocks drift.
   *
   * @throws MongoError; the clock then goes on as it was
   */
  async readAgain(client: MongoClient): Promise<void> {
    const signal = AbortSignal.timeout(MAX_ROUND_TRIP_MS);
    this.#zero = await zeroOf(client, this.#clock, { signal }) ?? this.#zero;
  }
}

/** An answer that took longer does not tell when the server wrote it. In milliseconds. */
const MAX_ROUND_TRIP_MS = 2_000;

/** Undefined if it cannot be told. The answer counts as of halfway between question and answer. */
async function zeroOf(
  client: MongoClient,
  clock: Pick<Clock, "monotonic">,
  options: RunCommandOptions & Abortable,
): Promise<number | undefined> {
  const askedAt = clock.monotonic();
  const { localTime } = await client.db("admin").command({ hello: 1 }, options);
  const answeredAt = clock.monotonic();
  if (!(localTime instanceof Date) || answeredAt - askedAt > MAX_ROUND_TRIP_MS) return undefined;
  return localTime.getTime() - (askedAt + answeredAt) / 2;
}
