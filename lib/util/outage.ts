/** Outages of one system, told as a whole however many operations meet them. */

export type System = "MongoDB" | "CrateDB" | "PostgreSQL";

export interface Outage {
  readonly system: System;
  readonly error: unknown;
  /** Milliseconds since it began. */
  readonly lasted: number;
}

export interface OutageObserver {
  /** Called when an outage begins, and again every minute while it lasts. */
  outage(outage: Outage): void;
  recovered(outage: Omit<Outage, "error">): void;
  /** Called for each try that has failed and is made again. */
  retried(failure: Pick<Outage, "system">): void;
}

/** An outage that lasts is told again after each of these. */
const REMINDER_MS = 60_000;

export interface OutageTrackerOptions {
  readonly system: System;
  readonly observer: OutageObserver;
  /** @default {Date.now} */
  readonly now?: () => number;
}

/**
 * An outage begins with the first operation that fails and ends when no operation is failing any more.
 *
 * @example
 * IN: two statements fail, one succeeds, then the other → OUT: one `outage`, one `recovered`
 */
export class OutageTracker {
  readonly #options: OutageTrackerOptions;
  readonly #failing = new Set<symbol>();
  #since = 0;
  #lastError: unknown;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: OutageTrackerOptions) {
    this.#options = options;
  }

  /** Whether something is failing now. */
  get active(): boolean {
    return this.#failing.size > 0;
  }

  /** @param operation one value for all tries of an operation */
  failed(operation: symbol, error: unknown): void {
    this.#lastError = error;
    const { system, observer } = this.#options;
    observer.retried({ system });
    const isFirst = !this.active;
    this.#failing.add(operation);
    if (!isFirst) return;
    this.#since = this.#now();
    this.#tell();
    this.#timer = setInterval(() => this.#tell(), REMINDER_MS);
    // The process may end while a system is away.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  succeeded(operation: symbol): void {
    if (this.#end(operation)) {
      const { system, observer } = this.#options;
      observer.recovered({ system, lasted: this.#now() - this.#since });
    }
  }

  /** The operation is not tried again. */
  gaveUp(operation: symbol): void {
    this.#end(operation);
  }

  /** @returns whether the outage is over with it */
  #end(operation: symbol): boolean {
    const isOver = this.#failing.delete(operation) && !this.active;
    if (isOver) clearInterval(this.#timer);
    return isOver;
  }

  #tell(): void {
    const { system, observer } = this.#options;
    observer.outage({ system, error: this.#lastError, lasted: this.#now() - this.#since });
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}
