/** Limits how many documents a snapshot reads a second, and how long a slice of it takes. */
import type { Clock } from "../../util/clock.ts";

/** A slice ends after this time, so that the stream has its turn. */
export const SLICE_MS = 1_000;

/** The documents of this time may be read at once, in one chunk per reader. */
const BURST_SECONDS = 0.25;

/**
 * A token bucket that is full at the start: `rate` documents a second, 0 for no limit, for `readers` of chunks.
 *
 * @example
 * IN: {rate: 1600, readers: 4} → OUT: chunks of 100 documents, 400 at once
 */
export class SnapshotRate {
  #rate = 0;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #readers: number;
  #capacity = 0;
  /** Documents in one chunk at most. */
  #size = 0;
  /** Negative if chunks had more documents than allowed. */
  #tokens = 0;
  #filledAt: number;

  constructor({ rate, readers, clock }: { rate: number; readers: number; clock: Pick<Clock, "monotonic"> }) {
    this.#clock = clock;
    this.#readers = readers;
    this.limit(rate);
    this.#tokens = this.#capacity;
    this.#filledAt = clock.monotonic();
  }

  /** Replaces the rate; 0 for no limit. */
  limit(rate: number): void {
    const hadLimit = this.#rate !== Infinity;
    this.#rate = rate === 0 ? Infinity : rate;
    this.#capacity = Math.max(1, this.#rate * BURST_SECONDS);
    this.#size = Math.max(1, Math.floor(this.#capacity / this.#readers));
    this.#tokens = Math.min(hadLimit ? this.#tokens : this.#capacity, this.#capacity);
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
