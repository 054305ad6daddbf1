/** How many documents of a snapshot may be read, where a user has set a limit. */
import type { Clock } from "../../util/clock.ts";
import { TokenBucket } from "../../util/token_bucket.ts";

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
