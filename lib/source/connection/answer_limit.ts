/**
 * How long MongoDB may take to answer. The driver itself waits without end: a firewall or load balancer that forgets a
 * connection sends no reset, and `maxTimeMS` limits only the server.
 */
import { setTimeout } from "node:timers";
import { hasCode, MongodbCode, OverdueError } from "./mongodb_errors.ts";

/** How long the first answer of a kind may take, in milliseconds. */
export interface AnswerLimits {
  /** Of a read; the server gets the same as `maxTimeMS`. */
  readonly read: number;
  /** Of a read for which MongoDB goes through a whole collection. */
  readonly scan: number;
  /** Beyond the limit of a read, for the server to report that the time is over. */
  readonly report: number;
  /** Of the change stream, beyond the time that the server may wait for a change. */
  readonly stream: number;
}

export const ANSWER_LIMITS: AnswerLimits = {
  // 10,000 documents from a cold disk take some seconds. Longer reads raise the limit.
  read: 30_000,
  // Minutes are usual for a large collection on a disk. Longer ones raise the limit.
  scan: 600_000,
  report: 5_000,
  // A round trip around the world and a busy server. A stream that was paused gets more time.
  stream: 5_000,
};

/** About what a timer can wait for. */
const LONGEST_MS = 24 * 3_600_000;
/** What an answer may take, as a multiple of what the last one took. */
const MARGIN = 2;
/** What is left of a raised limit after each answer. */
const DECAY = 0.9;

export interface RunOptions {
  /** Milliseconds beyond the limit until the connection is closed. @default {0} */
  readonly beyond?: number;
  /** Ends the command too. */
  readonly signal?: AbortSignal | undefined;
}

/** What a command is sent with. */
export interface AnswerOptions {
  /** Closes the connection. */
  readonly signal: AbortSignal;
  /** For the server. */
  readonly maxTimeMS: number;
}

/**
 * The limit of the answers of one kind. An answer that is overdue doubles it, so a server that is slow and alive gets all
 * the time that it needs in some tries; later answers lower it again.
 *
 * @example
 * IN: 30 s at first, an answer that is overdue → OUT: 60 s; then one after 50 s → OUT: 100 s; then quick ones → OUT: 90 s, … 30 s
 */
export class AnswerLimit {
  readonly #first: number;
  #milliseconds: number;

  /** @param first milliseconds */
  constructor(first: number) {
    this.#first = first;
    this.#milliseconds = first;
  }

  get milliseconds(): number {
    return this.#milliseconds;
  }

  /**
   * Runs a command.
   *
   * @throws OverdueError when the answer is overdue: its connection is closed; what the command throws
   */
  async run<T>(command: (options: AnswerOptions) => Promise<T>, options: RunOptions = {}): Promise<T> {
    const { beyond = 0, signal } = options;
    const limit = this.#milliseconds;
    const overdue = new AbortController();
    const late = Promise.withResolvers<never>();
    const giveUp = () => {
      const error = new OverdueError(limit + beyond);
      late.reject(error);
      overdue.abort(error);
    };
    const timer = setTimeout(giveUp, Math.min(LONGEST_MS, limit + beyond));
    const startedAt = performance.now();
    try {
      const either = AbortSignal.any([overdue.signal, ...signal ? [signal] : []]);
      const answering = command({ signal: either, maxTimeMS: Math.ceil(limit) });
      answering.catch(() => {}); // It may fail later than it is overdue.
      const answer = await Promise.race([answering, late.promise]);
      this.#answered(performance.now() - startedAt - beyond);
      return answer;
    } catch (error) {
      if (overdue.signal.aborted || hasCode(error, MongodbCode.MaxTimeMSExpired)) this.#raise(limit);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #answered(took: number): void {
    this.#milliseconds = Math.max(this.#first, MARGIN * took, DECAY * this.#milliseconds);
  }

  /** Several commands may have had the same limit. */
  #raise(limit: number): void {
    this.#milliseconds = Math.min(LONGEST_MS, Math.max(this.#milliseconds, 2 * limit));
  }
}
