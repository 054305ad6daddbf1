/** Bounds a rate. */
import type { Clock } from "./clock.ts";

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
