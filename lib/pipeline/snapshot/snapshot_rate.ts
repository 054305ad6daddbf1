/** Limits how many documents a snapshot reads a second, and how long a slice of it takes. */
import type { Clock } from "../../util/clock.ts";

/** A slice ends after this time, so that the stream has its turn. */
export const SLICE_MS = 1_000;

/** The documents of this time may be read at once at the start, in one chunk per reader. */
const BURST_SECONDS = 0.25;

/**
 * The documents of this time may be read later: it is a slice, the turn of the stream after it, and what both take longer
 * on a slow server. With less, the rate would not be reached.
 */
const BACKLOG_SECONDS = 5;

/**
 * A token bucket: `rate` documents a second on average, 0 for no limit, for `readers` of chunks. If readers are late, their
 * chunks have more documents.
 *
 * @example
 * IN: {rate: 1600, readers: 4} → OUT: chunks of 100 documents, 400 at once
 * IN: the same, 2 s later than allowed → OUT: a chunk of 800 documents, then of 600, …
 */
export class SnapshotRate {
  #rate = 0;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #readers: number;
  #burst = 0;
  /** Documents in one chunk at least. */
  #size = 0;
  /** Negative if chunks had more documents than allowed. */
  #tokens = Infinity;
  #filledAt: number;

  constructor({ rate, readers, clock }: { rate: number; readers: number; clock: Pick<Clock, "monotonic"> }) {
    this.#clock = clock;
    this.#readers = readers;
    this.#filledAt = clock.monotonic();
    this.limit(rate);
  }

  /** Replaces the rate; 0 for no limit. */
  limit(rate: number): void {
    this.#rate = rate === 0 ? Infinity : rate;
    this.#burst = Math.max(1, this.#rate * BURST_SECONDS);
    this.#size = Math.max(1, Math.floor(this.#burst / this.#readers));
    this.begin();
  }

  /** Drops the backlog. Call it when reading begins, so that idle time does not count as being late. */
  begin(): void {
    this.#fill();
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  /** Returns how many documents the next chunk may have; 0 if none may be read now. */
  take(): number {
    if (this.#rate === Infinity) return Infinity;
    this.#fill();
    if (this.#tokens < this.#size) return 0;
    const size = Math.max(this.#size, Math.floor(this.#tokens / this.#readers));
    this.#tokens -= size;
    return size;
  }

  /** @param taken what {@linkcode take} returned; @param read documents that the chunk had */
  settle(taken: number, read: number): void {
    if (taken !== Infinity && this.#rate !== Infinity) this.#tokens += taken - read;
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
    const seconds = Math.max(0, now - this.#filledAt) / 1_000;
    this.#filledAt = now;
    const capacity = Math.max(1, this.#rate * BACKLOG_SECONDS);
    this.#tokens = this.#rate === Infinity
      ? Infinity
      : Math.min(capacity, this.#tokens + seconds * this.#rate);
  }
}
