/** Time limits after the stop signal. Container engines kill the process after ten seconds. */

/** For all operations that were running at the signal. */
const LAST_TRIES_MS = 3_000;
/** For each later operation, such as the release of the lease. */
const LATE_TRY_MS = 500;
/** No operation starts after this. */
const END_MS = 5_000;

export class Shutdown implements Disposable {
  readonly signal: AbortSignal;
  readonly #now: () => number;
  readonly #stop = () => void (this.#stoppedAt = this.#now());
  #stoppedAt: number | undefined;

  constructor(signal: AbortSignal, now: () => number = () => performance.now()) {
    this.signal = signal;
    this.#now = now;
    if (signal.aborted) this.#stop();
    else signal.addEventListener("abort", this.#stop, { once: true });
  }

  [Symbol.dispose](): void {
    this.signal.removeEventListener("abort", this.#stop);
  }

  /**
   * The time limit of an operation in milliseconds; Infinity before the signal.
   * @example IN: 1 s after the signal → OUT: 2000; 4 s after it → OUT: 500; 6 s after it → OUT: 0
   */
  timeLeftMs(): number {
    if (this.#stoppedAt === undefined) return Infinity;
    const elapsed = this.#now() - this.#stoppedAt;
    return elapsed < END_MS ? Math.max(LATE_TRY_MS, LAST_TRIES_MS - elapsed) : 0;
  }

  /** Waits for a promise, after the signal only within the limit. @throws the signal's reason when the time is over */
  async limit<T>(promise: Promise<T>, timeLeftMs: () => number = () => this.timeLeftMs()): Promise<T> {
    const late = Promise.withResolvers<never>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const start = () => timer = setTimeout(() => late.reject(this.signal.reason), timeLeftMs());
    if (this.signal.aborted) start();
    else this.signal.addEventListener("abort", start);
    try {
      return await Promise.race([promise, late.promise]);
    } finally {
      this.signal.removeEventListener("abort", start);
      clearTimeout(timer);
    }
  }
}
