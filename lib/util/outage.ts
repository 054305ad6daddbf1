/**
 * Tracks what one system owes the program: answers to open questions, and to tries that have failed. Both together make
 * an outage, which is reported once however many operations meet it.
 *
 * Invariants:
 * - An outage begins with a failed try, or when a question has waited `SILENT_MS` for its answer. The time that a question
 *   allows is not counted.
 * - It ends with an answer, if no operation fails then and no question is that old. A refusal is an answer. Giving an
 *   operation up proves nothing: the outage lasts until the system answers another one.
 * - `outageBegan` and `recovered` alternate. `outage` is reported only between the two.
 */
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

export type System = "MongoDB" | "CrateDB" | "PostgreSQL";

export interface Outage {
  readonly system: System;
  readonly error: unknown;
  /** Milliseconds since it began. */
  readonly lasted: number;
}

export type OutageEvent =
  /** An outage has begun; the error is a {@linkcode SilentError} if an answer is overdue. */
  | ({ readonly type: "outageBegan" } & Outage)
  /** Emitted every minute while the outage lasts. */
  | ({ readonly type: "outage" } & Outage)
  | ({ readonly type: "recovered" } & Omit<Outage, "error">)
  /** A try has failed and is made again. */
  | { readonly type: "retried"; readonly system: System };

/** A question that waits longer than this for its answer, beyond what it allows, is an outage. In milliseconds. */
export const SILENT_MS = 5_000;
/** An outage that lasts is reported again after each of these. */
const REMINDER_MS = 60_000;

/** The system has sent neither an answer nor an error. */
export class SilentError extends Error {
  override readonly name = "SilentError";

  /** @param milliseconds since the question */
  constructor(milliseconds: number) {
    super(`no answer for ${Math.floor(milliseconds / 1_000)} s`);
  }
}

export interface Question {
  /**
   * Milliseconds that the answer may take before the question counts as waiting; Infinity for an operation that another
   * limit ends, such as a scan of a collection. @default {0}
   */
  readonly allowedMs?: number;
}

/** What a system owes, for those that only look. */
export interface Liveness {
  readonly system: System;
  /** The present outage; undefined without one. */
  readonly current: Outage | undefined;
  /** Milliseconds that a question has waited for its answer beyond what it allows, the most of all questions; 0 for none. */
  readonly waited: number;
}

export interface OutageTrackerOptions {
  readonly system: System;
  readonly emit: (event: OutageEvent) => void;
  /** @default {the system's} */
  readonly clock?: Pick<Clock, "monotonic">;
}

/**
 * @example
 * IN: two statements fail, one succeeds, then the other → OUT: one `outageBegan`, one `recovered`
 * IN: a question that is answered after 6 s → OUT: `outageBegan` with a SilentError, then `recovered`
 * IN: a question that allows 30 s and is answered after 34 s → OUT: nothing
 */
export class OutageTracker implements Liveness {
  readonly #options: OutageTrackerOptions;
  readonly #failing = new Set<symbol>();
  /** From when on the open questions count as waiting. */
  readonly #questions = new Set<{ readonly waitsFrom: number }>();
  #answeredAt = -Infinity;
  #lastError: unknown;
  #outage: { readonly since: number; remindedAt: number } | undefined;

  constructor(options: OutageTrackerOptions) {
    this.#options = options;
  }

  get system(): System {
    return this.#options.system;
  }

  /** Whether an outage lasts. */
  get active(): boolean {
    return this.#outage !== undefined;
  }

  get current(): Outage | undefined {
    if (!this.#outage) return undefined;
    const lasted = Math.round(this.#now() - this.#outage.since);
    return { system: this.system, error: this.#lastError ?? new SilentError(lasted), lasted };
  }

  get waited(): number {
    return Math.max(0, this.#longestWait);
  }

  /** Milliseconds that a question has waited, or since the last answer if none is waiting. */
  get quietFor(): number {
    const waited = this.#longestWait;
    return waited >= 0 ? waited : this.#now() - this.#answeredAt;
  }

  /** Opens a question. Dispose of the result to close it; only {@linkcode answered} counts as an answer. */
  asked({ allowedMs = 0 }: Question = {}): Disposable {
    const question = { waitsFrom: this.#now() + allowedMs };
    this.#questions.add(question);
    return { [Symbol.dispose]: () => void this.#questions.delete(question) };
  }

  /**
   * The system has answered an operation, by a result or by a refusal.
   *
   * @param operation one value for all tries of an operation
   */
  answered(operation: symbol): void {
    this.#answeredAt = this.#now();
    this.#failing.delete(operation);
    if (!this.#outage || this.#failing.size > 0 || this.#isSilent) return;
    const lasted = Math.round(this.#now() - this.#outage.since);
    this.#outage = undefined;
    this.#lastError = undefined;
    this.#options.emit({ type: "recovered", system: this.system, lasted });
  }

  /** A try has failed, and is made again. */
  failed(operation: symbol, error: unknown): void {
    this.#lastError = error;
    this.#failing.add(operation);
    this.#options.emit({ type: "retried", system: this.system });
    this.#report(this.#now());
  }

  /** The operation is not tried again. */
  gaveUp(operation: symbol): void {
    this.#failing.delete(operation);
  }

  /** Reports an overdue answer, and reminds of an outage that lasts. Call it about once a second. */
  check(): void {
    if (this.#outage || this.#isSilent) this.#report(this.#now() - this.waited);
  }

  /** Negative while every question is in the time that it allows; -Infinity without a question. */
  get #longestWait(): number {
    const now = this.#now();
    return Math.max(...Array.from(this.#questions, ({ waitsFrom }) => now - waitsFrom));
  }

  get #isSilent(): boolean {
    return this.waited >= SILENT_MS;
  }

  /** @param since when the outage began, if it is a new one */
  #report(since: number): void {
    const { emit } = this.#options;
    const now = this.#now();
    const isNew = this.#outage === undefined;
    this.#outage ??= { since, remindedAt: now };
    const { current } = this;
    if (!current) return;
    if (isNew) return emit({ type: "outageBegan", ...current });
    if (now - this.#outage.remindedAt < REMINDER_MS) return;
    this.#outage.remindedAt = now;
    emit({ type: "outage", ...current });
  }

  #now(): number {
    return (this.#options.clock ?? SYSTEM_CLOCK).monotonic();
  }
}
