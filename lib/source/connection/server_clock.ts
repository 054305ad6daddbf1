/** MongoDB's clock. The lag is measured by it, because this machine's may differ. */
import type { Abortable, MongoClient, RunCommandOptions } from "mongodb";
import type { Clock } from "../../util/clock.ts";
import type { CausalReader } from "./causal_reader.ts";

/**
 * The server's clock as read last, continued by this machine's monotonic one. So changes of this machine's clock do not
 * matter, and those of the server's clock count from the next {@linkcode readAgain}.
 *
 * @example
 * IN: a server at 12:00:00.000, 250 ms ago → OUT: now() is 12:00:00.250 in milliseconds since 1970
 */
export class ServerClock {
  readonly #clock: Pick<Clock, "monotonic">;
  /** The time of the server's clock at 0 of the monotonic one. */
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

/** A slower answer is too imprecise. In milliseconds. */
const MAX_ROUND_TRIP_MS = 2_000;

/** Undefined if the answer has no time or is too imprecise. Assumes that the server wrote it half way. */
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
