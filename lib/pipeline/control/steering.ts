/**
 * How requests reach the replication loop. A term of the loop has one set of settings and one cursor. Requests have tasks run
 * between two batches of a term, or between two terms; a pause is a time between two terms; a stop is the last term.
 */
import type { BSON } from "mongodb";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import { clusterTimeText } from "../../source/connection/cluster_time.ts";
import { OplogHiddenError } from "../../source/stream/oplog.ts";
import { clusterTimeOf, savedToken, timeOf } from "../../source/stream/resume_token.ts";
import { messageOf } from "../../util/errors.ts";
import { type OplogReach } from "../status/events.ts";
import { Semaphore, unlessAborted } from "../../util/concurrency.ts";
import { endOfPause, type Pause } from "./pause.ts";
import { type BetweenBatches, type BetweenTerms, type ControlledStream, RefusedError } from "./verb.ts";

export interface SteeringDeps
  extends Pick<ControlledStream, "emit" | "log" | "clock" | "names" | "transport" | "replace" | "timeNow"> {
  readonly position: Pick<StreamPosition, "state" | "save">;
  readonly settings: () => ControlledStream["settings"];
  /** Ends the term of the loop in order. */
  readonly endTerm: () => void;
  readonly oplog: () => Promise<OplogReach>;
  readonly mongodbClock: { now(): number };
}

interface Stop {
  readonly at: "now" | BSON.Timestamp;
  readonly done: PromiseWithResolvers<BSON.Timestamp | undefined>;
  /** Whether nothing newer than `at` can be in the tables. */
  isChecked: boolean;
}

type Task<Place> = (place: Place) => Promise<void>;

/** A pause looks at the oplog as often. */
const WATCH_INTERVAL_MS = 1_000;

export class Steering {
  readonly #deps: SteeringDeps;
  readonly #between: Task<BetweenBatches>[] = [];
  readonly #apart: Task<BetweenTerms>[] = [];
  readonly #changes = new Semaphore(1);
  #pause: Pause | undefined;
  /** Resolved when the pause has begun, as nothing is read any more. */
  #quiet = Promise.withResolvers<void>();
  #woken = new AbortController();
  /** Whether the next term has not begun. */
  #isApart = false;
  #stop: Stop | undefined;
  #verifyRate = 0;

  constructor(deps: SteeringDeps) {
    this.#deps = deps;
    this.#pause = JSON.parse(deps.position.state.paused ?? "null") ?? undefined;
  }

  get isPaused(): boolean {
    return this.#pause !== undefined;
  }

  get isStopping(): boolean {
    return this.#stop?.at === "now";
  }

  /** The cluster time after which nothing is applied. */
  get until(): BSON.Timestamp | undefined {
    return this.#stop?.at === "now" ? undefined : this.#stop?.at;
  }

  /** The stream as one request steers it, until its signal is aborted. */
  streamFor(signal: AbortSignal): ControlledStream {
    const { settings, ...deps } = this.#deps;
    // deno-lint-ignore no-this-alias
    const steering = this;
    return {
      ...deps,
      get settings() {
        return settings();
      },
      get paused() {
        return steering.#pause;
      },
      get state() {
        return deps.position.state;
      },
      get verifyRate() {
        return steering.#verifyRate;
      },
      set verifyRate(rate) {
        steering.#verifyRate = rate;
      },
      between: (task) => this.#queued(this.#between, task, signal),
      undo: (task) => {
        const text = "What a cancelled request began was not undone";
        this.#queued(this.#between, task, new AbortController().signal)
          .catch((error) => deps.log.warn(text, { error: messageOf(error) }));
      },
      apart: (task) => {
        const done = this.#queued(this.#apart, task, signal);
        this.#newTerm();
        return done;
      },
      pause: (pause) => this.#begin(pause, signal),
      resume: (why) => this.#resume(why),
      stop: (at, { isResumed }) => this.#end({ at, isChecked: isResumed }, signal),
    };
  }

  /** Call it between two batches. */
  async runBetween(loop: BetweenBatches): Promise<void> {
    // A task that the end of its term has interrupted waits for the next one.
    while (!loop.signal.aborted && this.#between.length > 0) await this.#between.shift()?.(loop);
  }

  /** Call it between two terms. Resolves when the next one may begin, or the signal is aborted. */
  async runApart(parts: BetweenTerms): Promise<void> {
    this.#isApart = true;
    try {
      await this.#runApart(parts);
    } finally {
      this.#isApart = false;
    }
  }

  async #runApart(parts: BetweenTerms): Promise<void> {
    while (!parts.signal.aborted) {
      for (let next = this.#apart.shift(); next; next = this.#apart.shift()) await next(parts);
      await this.#checkStop();
      if (!this.#pause || this.#stop) return;
      this.#deps.emit({ type: "paused", reason: this.#pause.reason });
      this.#quiet.resolve();
      await this.#wait(parts.signal);
    }
  }

  /** Call it when the last term has ended. */
  stopped(at = this.until): void {
    const { token } = this.#deps.position.state;
    this.#stop?.done.resolve(at ?? (token === null ? undefined : clusterTimeOf(savedToken(token))));
  }

  /** Ends a stop at a time that cannot be reached; the stream goes on. Returns whether a stop was pending. */
  failStop(error: unknown): boolean {
    const stop = this.#stop;
    if (!stop || stop.at === "now") return false;
    this.#abandon(stop);
    stop.done.reject(error);
    return true;
  }

  /** The term before may have read documents until now. */
  async #checkStop(): Promise<void> {
    const stop = this.#stop;
    if (!stop || stop.at === "now" || stop.isChecked) return;
    stop.isChecked = true;
    try {
      const now = await this.#deps.timeNow();
      if (now.lte(stop.at)) return;
      throw new RefusedError(`${clusterTimeText(stop.at)} was over before the stream could prepare for it.`, {
        hint: "Give a later time.",
      });
    } catch (error) {
      this.failStop(error);
    }
  }

  #abandon(stop: Stop): void {
    if (this.#stop !== stop) return;
    this.#stop = undefined;
    this.#newTerm();
  }

  /** Queues a task of a request. Its errors are those of the request. */
  #queued<Place extends { readonly signal: AbortSignal }, Result>(
    queue: Task<Place>[],
    task: (place: Place) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const run: Task<Place> = async (place) => {
      if (signal.aborted) return;
      try {
        resolve(await task(place));
      } catch (error) {
        // The term has ended, and the request goes on in the next one.
        if (place.signal.aborted && !signal.aborted) queue.push(run);
        else reject(error);
      }
    };
    queue.push(run);
    return unlessAborted(promise, signal);
  }

  #newTerm(): void {
    this.#woken.abort();
    this.#woken = new AbortController();
    this.#deps.endTerm();
  }

  async #begin(pause: Pause, signal: AbortSignal): Promise<void> {
    if (this.#stop) {
      throw new RefusedError("The stream is about to stop.", { hint: "Cancel that request first." });
    }
    await this.#changes.run(async () => {
      await this.#deps.position.save({ paused: JSON.stringify(pause) });
      if (!this.#pause) this.#quiet = Promise.withResolvers();
      this.#pause = pause;
      this.#newTerm();
    });
    // A task between two terms may take hours, and a later request may cancel it.
    if (this.#isApart) this.#quiet.resolve();
    await unlessAborted(this.#quiet.promise, signal);
  }

  /** Does nothing if another request has replaced the pause that ends. */
  async #resume(why: string, ended = this.#pause): Promise<void> {
    await this.#changes.run(async () => {
      if (this.#pause !== ended) return;
      await this.#deps.position.save({ paused: null });
      this.#pause = undefined;
      this.#deps.log.info("Resumed", { why });
      this.#deps.emit({ type: "resumed" });
      this.#newTerm();
    });
  }

  async #end(asked: Omit<Stop, "done">, signal: AbortSignal): Promise<BSON.Timestamp | undefined> {
    if (this.#stop) throw new RefusedError("Another request stops the stream already.");
    const done = Promise.withResolvers<BSON.Timestamp | undefined>();
    const stop = this.#stop = { ...asked, done };
    this.#newTerm();
    try {
      return await unlessAborted(done.promise, signal);
    } catch (error) {
      this.#abandon(stop);
      throw error;
    }
  }

  /** Waits until the pause ends, or something has to be done. */
  async #wait(signal: AbortSignal): Promise<void> {
    const { clock, log, oplog, mongodbClock, position, emit } = this.#deps;
    const token = position.state.token;
    const saved = token === null ? undefined : timeOf(savedToken(token))?.getTime();
    const woken = AbortSignal.any([signal, this.#woken.signal]);
    let hasWarned = false;
    let canSee = true;
    while (!woken.aborted && this.#pause) {
      const reach = canSee
        ? await oplog().catch((error) => {
          // Otherwise MongoDB may be away, and is asked again.
          canSee = !(error instanceof OplogHiddenError);
          if (!canSee) {
            log.warn("The oplog cannot be read: the pause does not end before history is lost", {
              error: messageOf(error),
            });
          }
        })
        : undefined;
      if (woken.aborted) return;
      if (reach) emit({ type: "oplogSeen", ...reach });
      const end = endOfPause(this.#pause, {
        now: mongodbClock.now(),
        position: saved,
        oplog: reach ?? undefined,
      });
      if (end?.resumes) {
        log.warn("The pause ends", { why: end.why });
        return await this.#resume(end.why);
      }
      if (end && !hasWarned) {
        log.warn("The stream is paused, and history will be lost", {
          why: end.why,
          hint: "Resume it: ctl resume",
        });
      }
      hasWarned ||= end !== undefined;
      await clock.wait(WATCH_INTERVAL_MS, { signal: woken }).catch(() => {});
    }
  }
}
