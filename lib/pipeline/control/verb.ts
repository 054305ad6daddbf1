/**
 * What a verb of the control table is. Requests begin in the order in which they were asked. An immediate verb ends before
 * the next one begins; a long one runs beside later requests.
 *
 * A request that a relay has begun and not ended, because it was killed, is run again by the next relay: so each verb is
 * idempotent, and looks first for what an earlier run has left, see {@linkcode VerbContext.isResumed}.
 */
import type { BSON } from "mongodb";
import type { Transport } from "../../sink/connection/transport.ts";
import type { ControlRequest } from "../../sink/metadata/control_requests.ts";
import type { SavedState } from "../../sink/metadata/stream_position.ts";
import type { Clock } from "../../util/clock.ts";
import { UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Checkpoint } from "../loop/checkpoint.ts";
import type { LoopDeps } from "../loop/replication_loop.ts";
import type { RelaySettings } from "../settings.ts";
import type { Pause } from "./pause.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { Emit } from "../status/events.ts";

/** The request cannot be executed: it ends as `refused`, and nothing was changed. */
export class RefusedError extends UserError {}

/** The reason of the signal of a request that was cancelled. */
export class CancelledError extends Error {}

export interface Verb {
  readonly kind: "immediate" | "long";
  /** Reads and checks the arguments; asks no server. @throws RefusedError */
  readonly read: (given: Readonly<Record<string, unknown>>) => Run;
}

/** The verbs by name. Those that need more than the pipeline are added by who runs the stream. */
export type Verbs = Readonly<Record<string, Verb>>;

/** Executes a request. Resolves to the message of `done`. @throws RefusedError; the signal's reason if it was cancelled */
export type Run = (context: VerbContext) => Promise<string>;

export interface VerbContext {
  readonly request: ControlRequest;
  /** Whether an earlier relay has begun it. */
  readonly isResumed: boolean;
  readonly stream: ControlledStream;
  /** Saves how far the request is; once a second at most. */
  readonly progress: (text: string) => void;
  /** Aborted when the request is cancelled, or the relay ends. After the latter, the next relay runs it again. */
  readonly signal: AbortSignal;
}

/** The replication loop between two batches. Call `checkpoint.applied({hasRows: true})` for rows that were written. */
export interface BetweenBatches extends
  Pick<
    LoopDeps,
    "signal" | "tables" | "reader" | "bulkReader" | "causalReader" | "position" | "share" | "settings"
  > {
  readonly snapshot: Snapshot;
  readonly checkpoint: Checkpoint;
}

/** The stream between two terms of its loop: nothing is read, applied or written. */
export interface BetweenTerms {
  readonly settings: RelaySettings;
  /** Fails at once if the sink does. */
  readonly raw: Transport;
  /** Waits for the sink. Both check the lease before each statement. */
  readonly patient: Transport;
  readonly signal: AbortSignal;
}

/** A stream as verbs steer it. */
export interface ControlledStream {
  /** As they are now. */
  readonly settings: RelaySettings;
  readonly emit: Emit;
  readonly log: Logger;
  readonly clock: Clock;
  /** The metadata tables of this stream. */
  readonly names: { readonly schema: string; readonly stream: string };
  /** Waits for the sink, and checks the lease before each statement. */
  readonly transport: Transport;
  /** The pause that lasts; undefined while the stream is followed. */
  readonly paused: Pause | undefined;
  /** The position as it is saved. */
  readonly state: SavedState;
  /** Documents a second that `verify` in the relay reads at most, set by `rate`; 0 for no limit. */
  verifyRate: number;
  /**
   * Runs a task between two batches, while nothing else is applied; again if the term ended before it did. Waits for the
   * loop, and while the stream is paused: so only long verbs call it.
   */
  between<Result>(task: (loop: BetweenBatches) => Promise<Result>): Promise<Result>;
  /** Runs a task between two later batches, even after its request has ended; never if the relay ends first. */
  undo(task: (loop: BetweenBatches) => Promise<void>): void;
  /** Ends the term of the loop in order, runs a task, then begins another term; or stays paused. */
  apart<Result>(task: (parts: BetweenTerms) => Promise<Result>): Promise<Result>;
  /** Replaces settings of later terms, until the next reload of the file or the next start. */
  replace(change: Partial<RelaySettings>): void;
  /** Resolves when nothing is read any more. */
  pause(pause: Pause): Promise<void>;
  /** @param why for the log */
  resume(why: string): Promise<void>;
  /** Ends the stream, now or when everything up to a cluster time is written, and nothing after it. Resolves to the time. */
  stop(
    at: "now" | BSON.Timestamp,
    options: Pick<VerbContext, "isResumed">,
  ): Promise<BSON.Timestamp | undefined>;
  /** MongoDB's cluster time. */
  timeNow(): Promise<BSON.Timestamp>;
}

/** @throws RefusedError while the stream is paused */
export function assertRuns({ paused }: Pick<ControlledStream, "paused">): void {
  if (paused) throw new RefusedError("The stream is paused.", { hint: "Resume it first." });
}

/** @throws RefusedError for a collection that the stream does not follow */
export function assertFollows({ settings }: Pick<ControlledStream, "settings">, collection: Namespace): void {
  if (settings.scope.includes(collection)) return;
  throw new RefusedError(`The stream does not follow ${namespaceText(collection)}: ${settings.scope}`);
}
