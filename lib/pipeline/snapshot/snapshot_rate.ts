/** How many documents of a snapshot may be read, where a user has set a limit. */
import type { Clock } from "../../util/clock.ts";

export interface SnapshotRateOptions {
  /** Documents a second at most; 0 for no limit. */
  readonly rate: number;
  /** Lanes that share it. */
  readonly lanes: number;
  readonly clock: Pick<Clock, "monotonic">;
}

/** What may be read at once is a quarter of a second's documents, in one chunk a lane. */
const BURST_SECONDS = 0.25;

/**
 * @example
 * IN: {rate: 1600, lanes: 4} → OUT: chunks of 100 documents, 400 at once
 */
export class SnapshotRate {
  readonly #bucket: TokenBucket | undefined;
  /** Documents of one chunk at most. */
  readonly #size: number = Infinity;

  constructor({ rate, lanes, clock }: SnapshotRateOptions) {
    if (rate === 0) return;
    const capacity = Math.max(1, rate * BURST_SECONDS);
    this.#size = Math.max(1, Math.floor(capacity / lanes));
    this.#bucket = new TokenBucket({ rate, capacity, clock });
  }

  /** How many documents a chunk may have that is read now; 0 if none may be read. */
  take(): number {
    return this.#bucket?.take(this.#size) === false ? 0 : this.#size;
  }

  /** @param taken what {@linkcode take} has allowed; @param read documents that the chunk had */
  settle(taken: number, read: number): void {
    this.#bucket?.putBack(taken - read);
  }

  /** When a chunk may be read, in milliseconds of the monotonic clock; 0 without a limit. */
  get nextAt(): number {
    return this.#bucket?.availableAt(this.#size) ?? 0;
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
