/** Limits how many documents a snapshot reads a second. */
import type { Clock } from "../../util/clock.ts";

export interface SnapshotRateOptions {
  /** Documents a second at most; 0 for no limit. */
  readonly rate: number;
  /** Chunk readers that share it. */
  readonly readers: number;
  readonly clock: Pick<Clock, "monotonic">;
}

/** The documents of this time may be read at once, in one chunk per reader. */
const BURST_SECONDS = 0.25;

/**
 * A token bucket that is full at the start.
 *
 * @example
 * IN: {rate: 1600, readers: 4} → OUT: chunks of 100 documents, 400 at once
 */
export class SnapshotRate {
  readonly #rate: number;
  readonly #clock: SnapshotRateOptions["clock"];
  readonly #capacity: number;
  /** Documents in one chunk at most. */
  readonly #size: number;
  /** Negative if chunks had more documents than they were allowed. */
  #tokens: number;
  #filledAt: number;

  constructor({ rate, readers, clock }: SnapshotRateOptions) {
    this.#rate = rate === 0 ? Infinity : rate;
    this.#clock = clock;
    this.#capacity = Math.max(1, this.#rate * BURST_SECONDS);
    this.#size = Math.max(1, Math.floor(this.#capacity / readers));
    this.#tokens = this.#capacity;
    this.#filledAt = clock.monotonic();
  }

  /** Returns how many documents the next chunk may have; 0 if none may be read now. */
  take(): number {
    if (this.#rate === Infinity) return Infinity;
    this.#fill();
    if (this.#tokens < this.#size) return 0;
    this.#tokens -= this.#size;
    return this.#size;
  }

  /** @param taken what {@linkcode take} returned; @param read documents that the chunk had */
  settle(taken: number, read: number): void {
    if (this.#rate !== Infinity) this.#tokens += taken - read;
  }

  /** When the next chunk may be read, in milliseconds of the monotonic clock; 0 without a limit. */
  get nextAt(): number {
    if (this.#rate === Infinity) return 0;
    this.#fill();
    const missing = Math.max(0, this.#size - this.#tokens);
    return this.#filledAt + Math.ceil(missing / this.#rate * 1_000);
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    const passed = Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(this.#capacity, this.#tokens + passed / 1_000 * this.#rate);
    this.#filledAt = now;
  }
}

export interface TokenBucketOptions {
  /** Tokens that come in a second. */
  readonly rate: number;
  /** The most tokens that it holds: what may be taken at once after a pause. */
  readonly capacity: number;
  readonly clock: Pick<Clock, "monotonic">;
}

/**
 * Is full at the start, and fills evenly.
 *
 * @example
 * IN: rate 10, capacity 5; take(5) → OUT: true; take(1) at once → OUT: false; take(1) after 100 ms → OUT: true
 */
export class TokenBucket {
  readonly #options: TokenBucketOptions;
  /** Negative where more was used than was there. */
  #tokens: number;
  #filledAt: number;

  constructor(options: TokenBucketOptions) {
    this.#options = options;
    this.#tokens = options.capacity;
    this.#filledAt = options.clock.monotonic();
  }

  /** @returns whether there were so many; if not, none is taken */
  take(count: number): boolean {
    this.#fill();
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Puts back what was not used; a negative number for what was used beyond. */
  putBack(count: number): void {
    this.#tokens += count;
  }

  /** When so many tokens are there, by the monotonic clock. */
  availableAt(count: number): number {
    this.#fill();
    const missing = Math.max(0, count - this.#tokens);
    return this.#filledAt + Math.ceil(missing / this.#options.rate * 1_000);
  }

  #fill(): void {
    const { rate, capacity, clock } = this.#options;
    const now = clock.monotonic();
    const passed = Math.max(0, now - this.#filledAt);
    this.#tokens = Math.min(capacity, this.#tokens + passed / 1_000 * rate);
    this.#filledAt = now;
  }
}
