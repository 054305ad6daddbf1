/** A relay within another program. */
import process from "node:process";
import { relayConfig } from "../config/config.ts";
import { logListener } from "../cli/log_listener.ts";
import { runtimeOf } from "../cli/runtime.ts";
import { RelayMetrics } from "../monitor/relay_metrics.ts";
import { emitter, type Listener, on } from "../pipeline/status/events.ts";
import { relay } from "../relay/relay.ts";
import type { RelayStatus } from "../pipeline/status/relay_status.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import { type Trace, UNTRACED } from "../pipeline/status/stages.ts";
import { StatusTracker } from "../pipeline/status/status_tracker.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { type Logger, QUIET, unfailing } from "../util/log.ts";
import { VERSION } from "../util/version.ts";
import { reworded, rewording } from "./describe.ts";
import { flagsOf, LIBRARY_OPTIONS } from "./flags.ts";
import type { RelayOptions } from "./options.ts";

export interface RelaySurroundings {
  /** Aborting it ends the relay in order, like `stop()`. @default {none} */
  readonly signal?: AbortSignal;
  /** Called with each event of the relay. If it throws, the failure is logged and the relay continues. @default {none} */
  readonly onEvent?: Listener;
  /** @default {nothing is logged} */
  readonly log?: Logger;
  /** Wraps a batch in a span. @default {untraced} */
  readonly trace?: Trace;
}

/** A relay that runs. */
export interface Relay extends AsyncDisposable {
  /** Resolves when the snapshot is done and changes are followed; rejects with the error if the relay ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the relay has ended in order; rejects with the error that ended it. */
  readonly done: Promise<void>;
  /** Phase, lag and counts. */
  readonly status: RelayStatus;
  /** The metrics, in the text format of Prometheus. */
  metrics(): Promise<string>;
  /** Ends the relay in order: the batch is finished and the position saved. Resolves when it has ended, however it did. */
  stop(): Promise<void>;
}

/**
 * Takes a snapshot of the collections, then follows their changes until it is stopped. Nothing is read from the
 * environment.
 *
 * An error that ends the relay rejects `done`, and `ready` as well if it was pending. If the program awaits neither of
 * them, it is an unhandled rejection.
 *
 * @example
 * IN: {mongodbUrl: "mongodb://localhost/", cratedbUrl: "crate://localhost:4200", database: "shop", maxMemory: "128MiB"}
 * OUT: a relay, which keeps a table up to date for each collection of the database
 *
 * @throws UsageError for options that are wrong. Later, UserError, SinkError and MongoError, see `describe()`
 */
export function startRelay(options: RelayOptions, surroundings: RelaySurroundings = {}): Relay {
  const settings = rewording(() =>
    relayConfig({ flags: flagsOf(options, LIBRARY_OPTIONS.startRelay), env: {} })
  );
  return new RunningRelay(settings, surroundings);
}

class RunningRelay implements Relay {
  readonly #status = new StatusTracker(SYSTEM_CLOCK);
  readonly #metrics: RelayMetrics;
  readonly #stop = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  #isReadyAwaited = false;
  readonly done: Promise<void>;

  constructor(
    settings: RelaySettings,
    { signal, onEvent = () => {}, log = QUIET, trace = UNTRACED }: RelaySurroundings,
  ) {
    const { name, version } = runtimeOf(process.versions);
    const versions = { version: VERSION, runtime: `${name} ${version}` };
    this.#metrics = new RelayMetrics({
      streams: [{ name: "", status: this.#status }],
      clock: SYSTEM_CLOCK,
      versions,
    });
    const safeLog = unfailing(log);
    const stopped = AbortSignal.any([this.#stop.signal, ...signal ? [signal] : []]);
    const running = relay(settings, {
      signal: stopped,
      log: safeLog,
      status: this.#status,
      emit: emitter(
        logListener(safeLog),
        this.#metrics.listen,
        on({ ready: () => this.#ready.resolve() }),
        onEvent,
      ),
      trace,
    });
    this.#ready.promise.catch(() => {}); // It is in `done` too.
    this.done = this.#ending(running, stopped);
  }

  async #ending(running: Promise<void>, stopped: AbortSignal): Promise<void> {
    try {
      await running;
      if (stopped.aborted) this.#ready.reject(stopped.reason);
      this.#ready.resolve();
    } catch (error) {
      this.#ready.reject(reworded(error));
      const isStop = stopped.aborted && error === stopped.reason;
      if (!isStop) throw reworded(error);
    }
  }

  get ready(): Promise<void> {
    if (!this.#isReadyAwaited) {
      this.#isReadyAwaited = true;
      // A program that awaits `ready` sees the error there, and need not await `done` as well.
      this.#ready.promise.catch(() => this.done.catch(() => {}));
    }
    return this.#ready.promise;
  }

  get status(): RelayStatus {
    return this.#status.current;
  }

  async metrics(): Promise<string> {
    return await this.#metrics.text();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.done.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
