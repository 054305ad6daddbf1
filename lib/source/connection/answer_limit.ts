/**
 * Limits of an answer from MongoDB: its time and its size. The driver waits forever by default: a firewall or load
 * balancer that forgets a connection sends no reset, and `maxTimeMS` limits only the server.
 */
import { setTimeout } from "node:timers";
import { hasCode, MongodbCode, OverdueError } from "./mongodb_errors.ts";

/** Initial limits, in milliseconds. Slow answers raise them. */
export const ANSWER_LIMITS = {
  /** Of a read, also for the server: 10,000 documents from a cold disk take some seconds. */
  read: 30_000,
  /** Of a read that scans a whole collection: a large one on a disk takes minutes. */
  scan: 600_000,
  /** Added to the limit of a read, so that the server can report its timeout. */
  report: 5_000,
  /** Of a change stream, added to the time that the server may wait for a change. */
  stream: 5_000,
};
export type AnswerLimits = Readonly<typeof ANSWER_LIMITS>;

/** Near the maximum of a timer. */
const LONGEST_MS = 24 * 3_600_000;
/** The limit relative to the duration of the last answer. */
const MARGIN = 2;
/** The factor by which each answer lowers a raised limit. */
const DECAY = 0.9;

export interface AnswerOptions {
  /** Closes the connection. */
  readonly signal: AbortSignal;
  /** The limit for the server. */
  readonly maxTimeMS: number;
}

/**
 * The adaptive time limit of one kind of answer. An overdue answer doubles it, so a slow server gets enough time after
 * a few attempts; later answers lower it again.
 * @example IN: 30 s, an overdue answer → OUT: 60 s; an answer after 50 s → OUT: 100 s; quick answers → OUT: 90 s, … 30 s
 */
export class AnswerLimit {
  constructor(private readonly firstMs: number, public milliseconds = firstMs) {}

  /** Closes the connection `beyond` milliseconds after the limit, and throws an OverdueError. */
  async run<T>(
    command: (options: AnswerOptions) => Promise<T>,
    { beyond = 0, signal }: { readonly beyond?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    const limit = this.milliseconds;
    const overdue = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const error = new OverdueError(limit + beyond);
      late.reject(error);
      overdue.abort(error);
    }, Math.min(LONGEST_MS, limit + beyond));
    const startedAt = performance.now();
    try {
      const either = AbortSignal.any([overdue.signal, ...signal ? [signal] : []]);
      const answering = command({ signal: either, maxTimeMS: Math.ceil(limit) });
      answering.catch(() => {}); // It may fail after it is overdue.
      const answer = await Promise.race([answering, late.promise]);
      const took = performance.now() - startedAt - beyond;
      this.milliseconds = Math.max(this.firstMs, MARGIN * took, DECAY * this.milliseconds);
      return answer;
    } catch (error) {
      if (overdue.signal.aborted || hasCode(error, MongodbCode.MaxTimeMSExpired)) {
        // Concurrent commands with the same limit raise it once.
        this.milliseconds = Math.min(LONGEST_MS, Math.max(this.milliseconds, 2 * limit));
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Documents of the first page, when their size is unknown. MongoDB limits a reply to 16 MB. */
const FIRST_DOCUMENTS = 100;
const REPLY_BYTES = 4 * 2 ** 20;

/** The number of documents to request, so that replies have about the same size in bytes. */
export class PageSize {
  #average: number | undefined;

  constructor(private readonly bytes = REPLY_BYTES) {}

  get documents(): number {
    return this.#average ? Math.max(1, Math.floor(this.bytes / this.#average)) : FIRST_DOCUMENTS;
  }

  /** Learns from a reply: from larger documents immediately, from smaller ones gradually. */
  read(documents: number, bytes: number): void {
    if (documents === 0) return;
    const average = Math.max(1, bytes / documents);
    this.#average = Math.max(average, (average + (this.#average ?? average)) / 2);
  }
}
