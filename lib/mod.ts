/**
 * Keeps CrateDB in sync with MongoDB from within another program.
 *
 * @example
 * ```ts
 * import { startRelay } from "@mongodb-cdc/cratedb";
 *
 * const relay = startRelay({
 *   mongodbUrl: "mongodb://localhost:27017",
 *   cratedbUrl: "crate://localhost:4200",
 *   database: "shop",
 * });
 * await relay.ready;
 * console.log(relay.status.lag);
 * await relay.stop();
 * ```
 *
 * @module
 */
import process from "node:process";
import { statusConfig, verifyConfig, waitConfig } from "./config/config.ts";
import { rebuildVerb } from "./status/rebuild_verb.ts";
import { verifyVerb } from "./verify/verify_verb.ts";
import { contentOf, effectiveOf } from "./config/effective.ts";
import { LIBRARY_OPTIONS } from "./config/options.ts";
import type { RelayOptions, StatusOptions, VerifyOptions, WaitOptions } from "./config/options.ts";
import type { OptionTable } from "./config/option.ts";
import { givenByProgram, inProgramWords } from "./config/program_options.ts";
import type { Given } from "./config/read.ts";
import { relayConfig } from "./config/relay_settings.ts";
import { logListener } from "./monitor/log_listener.ts";
import { RelayMetrics } from "./monitor/relay_metrics.ts";
import { describe as describeForPeople, type Description } from "./pipeline/status/describe_error.ts";
import { emitter, type Listener, on } from "./pipeline/status/events.ts";
import type { RelayStatus } from "./pipeline/status/relay_status.ts";
import { type Trace, UNTRACED } from "./pipeline/status/stages.ts";
import { StatusTracker } from "./pipeline/status/status_tracker.ts";
import { relay as runRelay } from "./relay/relay.ts";
import { openTransport } from "./sink/connection/open_transport.ts";
import { findStreams } from "./status/status.ts";
import type { StreamStatus } from "./sink/metadata/status_view.ts";
import { wait as waitFor, type Waited } from "./status/wait.ts";
import { SYSTEM_CLOCK } from "./util/clock.ts";
import { UserError } from "./util/errors.ts";
import { type Logger, QUIET, unfailing } from "./util/log.ts";
import { runtimeOf, VERSION } from "./util/runtime.ts";
import type { CollectionResult } from "./verify/result.ts";
import { verify as compare, type VerifyContext } from "./verify/verify.ts";

export type { RelayOptions, StatusOptions, VerifyOptions, WaitOptions } from "./config/options.ts";
export type { Json, SecretFile } from "./config/option.ts";
export type { Namespace } from "./util/namespace.ts";
export type {
  Advance,
  ColumnChange,
  Counts,
  Listener,
  OplogReach,
  RelayEvent,
  SnapshotProgress,
  TableWrite,
} from "./pipeline/status/events.ts";
export type { Finding } from "./pipeline/status/finding.ts";
export type { RelayStatus, StreamPhase } from "./pipeline/status/relay_status.ts";
export type { Stage, StageDone, Trace } from "./pipeline/status/stages.ts";
export { SinkError, type SinkErrorKind } from "./sink/connection/sink_error.ts";
export type { ControlRequest, RequestState } from "./sink/metadata/control_requests.ts";
export type { EventKind, RecordedEvent, Severity } from "./sink/metadata/event_log.ts";
export type { StreamState } from "./sink/metadata/status_view.ts";
export type { DocumentOperation } from "./source/stream/event.ts";
export type { StreamStatus } from "./sink/metadata/status_view.ts";
export type { Waited } from "./status/wait.ts";
export { UsageError, UserError } from "./util/errors.ts";
export { createLogger, type LogFields, type Logger, type LoggerOptions, type LogLevel } from "./util/log.ts";
export type { Outage, OutageEvent, System } from "./util/outage.ts";
export type { CollectionResult, DifferenceKind, KeyDifference, Outcome } from "./verify/result.ts";

export interface CommandSurroundings {
  /** Ends the work when it is aborted. @default {none} */
  readonly signal?: AbortSignal;
  /** @default {nothing is logged} */
  readonly log?: Logger;
}

export interface RelaySurroundings extends CommandSurroundings {
  /** Called with each event of the relay. If it throws, the error is logged, and the relay continues. @default {none} */
  readonly onEvent?: Listener;
  /** Wraps a batch in a span. @default {untraced} */
  readonly trace?: Trace;
}

/** A running relay. */
export interface Relay extends AsyncDisposable {
  /** Resolves when the snapshot is done and changes are followed; rejects with the error if the relay ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the relay has been stopped; rejects with the error that ended it. */
  readonly done: Promise<void>;
  /** Phase, lag and counts. */
  readonly status: RelayStatus;
  /** Returns the metrics in the text format of Prometheus. */
  metrics(): Promise<string>;
  /** Finishes the batch, saves the position, and resolves when the relay has ended, with or without an error. */
  stop(): Promise<void>;
}

/**
 * Takes a snapshot of the collections, then follows their changes until it is stopped. An error that ends the relay
 * rejects `done`, and `ready` as well if it was pending. If the program awaits neither, it is an unhandled rejection.
 *
 * @example
 * IN: {mongodbUrl: "mongodb://localhost/", cratedbUrl: "crate://localhost:4200", database: "shop", maxMemory: "128MiB"}
 * OUT: a relay, which keeps a table up to date for each collection of the database
 * @throws UsageError for wrong options. Later, UserError, SinkError and MongoError, see `describe()`
 */
export function startRelay(options: RelayOptions, surroundings: RelaySurroundings = {}): Relay {
  const make = (given: Given) => ({ settings: relayConfig(given), content: contentOf(effectiveOf(given)) });
  const { settings, content } = configured(make, options, LIBRARY_OPTIONS.startRelay);
  const { onEvent = () => {}, trace = UNTRACED } = surroundings;
  const log = unfailing(surroundings.log ?? QUIET);
  const status = new StatusTracker(SYSTEM_CLOCK);
  const { name, version } = runtimeOf(process.versions);
  const versions = { version: VERSION, runtime: `${name} ${version}` };
  const metrics = new RelayMetrics({ streams: [{ name: "", status }], clock: SYSTEM_CLOCK, versions });
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...surroundings.signal ? [surroundings.signal] : []]);
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {}); // `done` rejects as well.
  const running = runRelay(settings, {
    content,
    signal,
    log,
    status,
    trace,
    verbs: { rebuild: rebuildVerb, verify: verifyVerb },
    emit: emitter(logListener(log), metrics.listen, on({ ready: () => ready.resolve() }), onEvent),
  });
  const done = running.then(
    () => signal.aborted ? ready.reject(signal.reason) : ready.resolve(),
    (error) => {
      ready.reject(reworded(error));
      if (!signal.aborted || error !== signal.reason) throw reworded(error);
    },
  );
  const stopped = () => {
    stop.abort();
    return done.catch(() => {});
  };
  return {
    done,
    get ready() {
      // A program that awaits `ready` gets the error there, and need not await `done` as well.
      ready.promise.catch(() => done.catch(() => {}));
      return ready.promise;
    },
    get status() {
      return status.current;
    },
    metrics: () => metrics.text(),
    stop: stopped,
    [Symbol.asyncDispose]: stopped,
  };
}

/** A new signal for each call: listeners would accumulate on a shared one. */
const contextOf = ({ signal = new AbortController().signal, log = QUIET }: CommandSurroundings) => ({
  signal,
  log: unfailing(log),
});

/**
 * Reads the status of streams from CrateDB alone: one row for each, as in the view `cdc_status`.
 *
 * @example
 * IN: {cratedbUrl: "crate://localhost:4200"} → OUT: [{stream: "shop.* -> …", state: "ok", lag_ms: 0, …}]
 * @throws UsageError, SinkError
 */
export async function status(options: StatusOptions): Promise<readonly StreamStatus[]> {
  const settings = configured(statusConfig, options, LIBRARY_OPTIONS.status);
  await using transport = await openTransport(settings.sink);
  return (await findStreams(transport, [settings])).streams;
}

/**
 * Waits until CrateDB shows everything that was written to MongoDB until a time, or the timeout is over.
 *
 * @example
 * IN: {mongodbUrl, cratedbUrl, at: "now", timeout: "30s"}
 * OUT: {at: Timestamp, streams: [{stream: "shop.* -> …", outcome: "shown"}], absence: []}
 * @throws UsageError, MongoError, SinkError; the signal's reason when it is aborted
 */
export async function wait(options: WaitOptions, surroundings: CommandSurroundings = {}): Promise<Waited> {
  const settings = configured(waitConfig, options, LIBRARY_OPTIONS.wait);
  return await waitFor(settings, { ...contextOf(surroundings), clock: SYSTEM_CLOCK });
}

/**
 * Compares collections with their tables, also while a relay runs, and repairs differences on request.
 *
 * @example
 * IN: {mongodbUrl, cratedbUrl, database: "shop", differences: "repair"}
 * OUT: [{collection: "shop.orders", outcome: "repaired", repaired: 3, differences: [], …}]
 * @throws UsageError, UserError, MongoError, SinkError; the signal's reason when it is aborted
 */
export async function verify(
  options: VerifyOptions,
  surroundings: CommandSurroundings = {},
): Promise<readonly CollectionResult[]> {
  const settings = configured(verifyConfig, options, LIBRARY_OPTIONS.verify);
  const context = contextOf(surroundings);
  const outages = logListener(context.log);
  const emit: VerifyContext["emit"] = (event) => {
    if (event.type !== "progress" && event.type !== "done") outages(event);
  };
  return await compare(settings, { ...context, emit, onResults: () => false });
}

/** What went wrong, and what to do next. */
export type ErrorDescription = Pick<Description, "message" | "hint">;

/**
 * Returns the text for an error of the relay, MongoDB or CrateDB, without stack trace and passwords.
 *
 * @example
 * IN: a MongoServerError with code 40573
 * OUT: {message: "MongoDB runs without a replica set, …", hint: "… rs.initiate() …"}
 */
export function describe(error: unknown): ErrorDescription {
  const { message, hint } = describeForPeople(error);
  return { message: inProgramWords(message), hint: hint && inProgramWords(hint) };
}

/** Puts the names of the library's options into the texts of an error for users. */
const reworded = (error: unknown): unknown =>
  error instanceof UserError ? Object.assign(error, describe(error)) : error;

/** @throws UsageError in the words of the library */
function configured<Settings>(
  config: (given: Given) => Settings,
  options: object,
  known: OptionTable,
): Settings {
  try {
    return config(givenByProgram(options, known));
  } catch (error) {
    throw reworded(error);
  }
}
