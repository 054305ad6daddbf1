/** Limits how much is written at once, by the latency and the refusals of the server. Pure except for the clock. */
import { type Clock, SYSTEM_CLOCK } from "../../util/clock.ts";

export interface WriteLimits {
  readonly statementRows: number;
  readonly statementBytes: number;
  /** Statements to one table at the same time. */
  readonly inFlight: number;
}

/** What a statement has written. `began` is a time of the monotonic clock. */
export interface Written {
  readonly began: number;
  readonly rows: number;
  readonly bytes: number;
}

/** The least share of the limits: 79 of 2,500 rows. */
const LEAST = 1 / 32;
/** What is left of the share after a refusal or a very slow answer, and after a slow one. */
const HALF = 1 / 2;
const LESS = 3 / 4;
/** How much the share rises in a second of prompt answers: a refusal is forgotten after 8 s, and everything after 16 s. */
const RISE = 1 / 16;
/** An answer after this time is slow. A relay reports an outage after 5 s without one. */
const SLOW_MS = 3_000;
/** An answer after this time is slow if a row took this many times longer than the recent best. */
const LATE_MS = 500;
const TIMES_THE_BEST = 8;
/** The time after which the best may be twice as long. */
const BEST_DOUBLES_MS = 10_000;
/** Bytes that take as long to write as a row without any. */
const BYTES_OF_A_ROW = 512;
/** In a smaller statement, the time for a row is not meaningful. */
const LEAST_ROWS = 100;

/**
 * Allows a share of the limits. It falls at once if the server is overloaded and refuses a statement, or gets slow, and rises slowly
 * with each answer, by the time since the one before: little if that took long, much after an idle time. Of statements that
 * were in flight together, one counts.
 *
 * @example
 * IN: limits of 2500 rows and 4 statements; four that began together are refused → OUT: 1250 rows, 2 statements
 * IN: prompt answers for 4 s → OUT: 1875 rows, 3 statements; for 8 s → OUT: 2500 rows, 4 statements
 */
export class WritePace implements WriteLimits {
  readonly #most: WriteLimits;
  readonly #clock: Pick<Clock, "monotonic">;
  #share = 1;
  #fellAt = -Infinity;
  #answeredAt: number;
  /** Milliseconds for a row, and when that was. */
  #best = { cost: Infinity, at: 0 };

  constructor(most: WriteLimits, clock: Pick<Clock, "monotonic"> = SYSTEM_CLOCK) {
    this.#most = most;
    this.#clock = clock;
    this.#answeredAt = clock.monotonic();
  }

  get statementRows(): number {
    return this.#shareOf(this.#most.statementRows);
  }

  get statementBytes(): number {
    return this.#shareOf(this.#most.statementBytes);
  }

  get inFlight(): number {
    return this.#shareOf(this.#most.inFlight);
  }

  /** The server has confirmed rows. */
  answered({ began, rows, bytes }: Written): void {
    // A row that is larger than a statement may take its time.
    if (rows <= 1 && bytes > this.#most.statementBytes) return;
    const now = this.#clock.monotonic();
    const took = now - began;
    const work = rows + bytes / BYTES_OF_A_ROW;
    const best = this.#best.cost * 2 ** ((now - this.#best.at) / BEST_DOUBLES_MS);
    const cost = work < LEAST_ROWS ? best : took / work;
    if (cost < best) this.#best = { cost, at: now };
    if (took >= SLOW_MS) this.#fall(began, Math.max(HALF, Math.min(LESS, SLOW_MS / took)));
    else if (took >= LATE_MS && cost > best * TIMES_THE_BEST) this.#fall(began, LESS);
    else {this.#share = Math.min(
        1,
        this.#share + (now - this.#answeredAt) / 1_000 * RISE * (1 - took / SLOW_MS),
      );}
    this.#answeredAt = now;
  }

  /** The server has refused a statement that began then, because it has too much to do. @returns whether nothing had fallen before */
  refused(began: number): boolean {
    const isFirst = this.#share === 1;
    this.#fall(began, HALF);
    return isFirst;
  }

  #fall(began: number, left: number): void {
    if (began < this.#fellAt) return;
    this.#share = Math.max(LEAST, this.#share * left);
    this.#fellAt = this.#answeredAt = this.#clock.monotonic();
  }

  #shareOf(most: number): number {
    return Math.max(1, Math.ceil(most * this.#share));
  }
}
