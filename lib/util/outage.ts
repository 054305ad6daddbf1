/**
 * Tracks the outages of one system. All operations share one outage.
 *
 * Invariants:
 * - An outage begins with a failed try, or when a request is overdue by `SILENT_MS`.
 * - It ends with an answer, which may be a refusal, if no operation is failing and no request is overdue. An operation that
 *   gives up does not end it.
 * - `outageBegan` and `recovered` alternate. `outage` is emitted only between the two.
 */
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";

export type System = "MongoDB" | "CrateDB" | "PostgreSQL";

export interface Outage {
  readonly system: System;
  readonly error: unknown;
  readonly lasted: number;
}

/** The error is a {@linkcode SilentError} if an answer is overdue. `outage` is repeated every minute. */
export type OutageEvent =
  | ({ readonly type: "outageBegan" } & Outage)
  | ({ readonly type: "outage" } & Outage)
  | ({ readonly type: "recovered" } & Omit<Outage, "error">)
  | { readonly type: "retried"; readonly system: System };

/** An answer that is overdue by so many milliseconds is an outage. */
export const SILENT_MS = 5_000;
const REMINDER_MS = 60_000;

/** The system has sent neither an answer nor an error. */
export class SilentError extends Error {
  override readonly name = "SilentError";

  constructor(milliseconds: number) {
    super(`no answer for ${Math.floor(milliseconds / 1_000)} s`);
  }
}

export interface Question {
  /** Milliseconds before the answer is overdue; Infinity if another limit ends the operation. @default {0} */
  readonly allowedMs?: number;
}

export type Liveness = Pick<OutageTracker, "system" | "current" | "waited">;

interface OutageTrackerOptions {
  readonly system: System;
  readonly emit: (event: OutageEvent) => void;
  readonly clock?: Pick<Clock, "monotonic">;
}

/**
 * @example
 * IN: two statements fail, one succeeds, then the other → OUT: one `outageBegan`, one `recovered`
 * IN: a request that is answered after 6 s → OUT: `outageBegan` with a SilentError, then `recovered`
 */
export class OutageTracker {
  readonly #failing = new Set<symbol>();
  /** Open requests, and from when they are overdue. */
  readonly #questions = new Set<{ readonly waitsFrom: number }>();
  #answeredAt = -Infinity;
  #lastError: unknown;
  #outage: { readonly since: number; remindedAt: number } | undefined;

  constructor(private readonly options: OutageTrackerOptions) {}

  get system(): System {
    return this.options.system;
  }

  get active(): boolean {
    return this.#outage !== undefined;
  }

  get current(): Outage | undefined {
    if (!this.#outage) return undefined;
    const lasted = Math.round(this.#now() - this.#outage.since);
    return { system: this.system, error: this.#lastError ?? new SilentError(lasted), lasted };
  }

  /** Milliseconds by which the longest request is overdue. */
  get waited(): number {
    return Math.max(0, this.#longestWait);
  }

  /** Milliseconds by which a request is overdue, or since the last answer. */
  get quietFor(): number {
    const waited = this.#longestWait;
    return waited >= 0 ? waited : this.#now() - this.#answeredAt;
  }

  /** Registers a request until the result is disposed. Only {@linkcode answered} counts as an answer. */
  asked({ allowedMs = 0 }: Question = {}): Disposable {
    const question = { waitsFrom: this.#now() + allowedMs };
    this.#questions.add(question);
    return { [Symbol.dispose]: () => void this.#questions.delete(question) };
  }

  /** The system has answered with a result or a refusal. @param operation one value for all tries of an operation */
  answered(operation: symbol): void {
    this.#answeredAt = this.#now();
    this.#failing.delete(operation);
    const { system, current } = this;
    if (!current || this.#failing.size > 0 || this.#isSilent) return;
    this.#outage = undefined;
    this.#lastError = undefined;
    this.options.emit({ type: "recovered", system, lasted: current.lasted });
  }

  failed(operation: symbol, error: unknown): void {
    this.#lastError = error;
    this.#failing.add(operation);
    this.options.emit({ type: "retried", system: this.system });
    this.#report(this.#now());
  }

  gaveUp(operation: symbol): void {
    this.#failing.delete(operation);
  }

  /** Emits overdue answers and reminders. Call it about once a second. */
  check(): void {
    if (this.#outage || this.#isSilent) this.#report(this.#now() - this.waited);
  }

  /** Negative if no request is overdue. */
  get #longestWait(): number {
    return this.#now() - Math.min(...Array.from(this.#questions, ({ waitsFrom }) => waitsFrom));
  }

  get #isSilent(): boolean {
    return this.waited >= SILENT_MS;
  }

  /** @param since when the outage began, if it is a new one */
  #report(since: number): void {
    const now = this.#now();
    const type = this.#outage ? "outage" : "outageBegan";
    const outage = this.#outage ??= { since, remindedAt: now };
    if (type === "outage" && now - outage.remindedAt < REMINDER_MS) return;
    outage.remindedAt = now;
    const { current } = this;
    if (current) this.options.emit({ type, ...current });
  }

  #now(): number {
    return (this.options.clock ?? SYSTEM_CLOCK).monotonic();
  }
}
