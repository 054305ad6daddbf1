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
export { type CommandSurroundings, status, verify, wait } from "./library/commands.ts";
export { describe, type ErrorDescription } from "./library/describe.ts";
export type {
  Bytes,
  Duration,
  Json,
  RelayOptions,
  StatusOptions,
  VerifyOptions,
  WaitOptions,
} from "./library/options.ts";
export { type Relay, type RelaySurroundings, startRelay } from "./library/relay.ts";
export type { Namespace } from "./util/namespace.ts";
export type {
  Advance,
  CollectionEvents,
  ColumnChange,
  Counts,
  Listener,
  OplogReach,
  RelayEvent,
  SnapshotProgress,
  TableWrite,
} from "./pipeline/status/events.ts";
export type { RelayStatus, StreamPhase } from "./pipeline/status/relay_status.ts";
export type { Stage, StageDone, Trace } from "./pipeline/status/stages.ts";
export { SinkError, type SinkErrorKind } from "./sink/connection/sink_error.ts";
export type { StreamState } from "./sink/metadata/status_query.ts";
export type { DocumentOperation } from "./source/stream/event.ts";
export type { StreamStatus } from "./status/stream_status.ts";
export type { Waited } from "./status/wait.ts";
export { UsageError, UserError } from "./util/errors.ts";
export { createLogger, type LogFields, type Logger, type LoggerOptions, type LogLevel } from "./util/log.ts";
export type { Outage, OutageEvent, System } from "./util/outage.ts";
export type { CollectionResult, DifferenceKind, KeyDifference, Outcome } from "./verify/result.ts";
