/** The events that a relay emits. Log, progress bar, status, metrics and traces listen; no listener changes what the relay does. */
import type { RecordedEvent } from "../../sink/metadata/event_log.ts";
import type { DocumentOperation } from "../../source/stream/event.ts";
import type { ControlRequest } from "../../sink/metadata/control_requests.ts";
import type { Namespace } from "../../util/namespace.ts";
import type { OutageEvent } from "../../util/outage.ts";
import type { CollectionState } from "../collections/collection_state.ts";
import type { Finding } from "./finding.ts";
import type { StageDone } from "./stages.ts";

export interface FollowedStream {
  /** The schema of the relay's own tables. */
  readonly schema: string;
  readonly stream: string;
  /** The process that has the lease. */
  readonly owner: string | null;
}

export interface SnapshotProgress {
  /** Documents read so far, including those that an earlier run of the same snapshot read. */
  readonly documents: number;
  /** Documents to read in total, estimated. */
  readonly total: number;
  readonly lagSeconds: number;
}

/** Rows since the start. */
export interface Counts {
  readonly upserts: number;
  readonly deletes: number;
  /** Rows with values in `overflow`. */
  readonly overflowed: number;
  readonly deadLetters: number;
}

/** Rows of one collection that were written together. */
export interface TableWrite extends Counts {
  readonly namespace: Namespace;
  /** Rows that lack a value in `geo` or `vector`, because the document's does not fit there. @default {0} */
  readonly unshadowed?: number;
  /** Rows whose document has no value for its partition. @default {0} */
  readonly unfit?: number;
}

/** Columns that were added to a collection's table, or widened in it. */
export interface ColumnChange {
  readonly namespace: Namespace;
  readonly columns: number;
}

export interface CollectionChange {
  readonly namespace: Namespace;
  /** The quoted name of its table. */
  readonly table: string;
  /** Undefined once the relay no longer follows the collection. */
  readonly state: CollectionState | undefined;
  /** When it got into this state, in milliseconds since 1970. */
  readonly since: number;
}

export interface Advance {
  /** All changes up to this time are in the tables, in milliseconds since 1970 by MongoDB's clock; null if unknown. */
  readonly clusterTime: number | null;
  /** The lag in milliseconds, by the same clock: 0 if no change is waiting, null if unknown. */
  readonly lag: number | null;
}

/** In milliseconds. */
export interface OplogReach {
  /** The time of its oldest entry, since 1970 by MongoDB's clock. */
  readonly oldest: number;
  /** From the oldest entry to now. */
  readonly window: number;
  /** Whether the oplog has dropped no entry yet, so that its window still grows. */
  readonly isGrowing: boolean;
  /**
   * The window when MongoDB drops the oldest entry: of a growing oplog once it is full, if MongoDB goes on to write as
   * much, and at least the minimum time that is set. Undefined if unknown.
   */
  readonly fullWindow?: number;
}

/** Milliseconds until MongoDB drops the changes after a time (milliseconds since 1970); undefined if unknown. */
export const headroomAt = (
  time: number,
  { oldest, window, fullWindow }: OplogReach,
): number | undefined =>
  fullWindow === undefined ? undefined : Math.max(0, time - oldest + fullWindow - window);

export type RelayEvent =
  | OutageEvent
  | StageDone
  /** The databases were asked what a start needs. */
  | { readonly type: "checked"; readonly findings: readonly Finding[]; readonly isFirst: boolean }
  /** Another process has the lease: this one is the standby. */
  | ({ readonly type: "standingBy" } & FollowedStream)
  /** This process has the lease. */
  | ({ readonly type: "leaseTaken" } & FollowedStream)
  /** The snapshot is done, or none is needed: the relay follows the changes. */
  | { readonly type: "ready" }
  /** A snapshot has begun or read more documents. Another one follows, or `snapshotDone`. */
  | ({ readonly type: "snapshotProgress" } & SnapshotProgress)
  /** A snapshot has read documents of a collection: so many since it began or the relay started, of about so many. */
  | {
    readonly type: "collectionRead";
    readonly namespace: Namespace;
    readonly documents: number;
    readonly total: number | null;
  }
  /** All documents are read, their rows are visible and the position is saved. */
  | { readonly type: "snapshotDone"; readonly documents: number; readonly seconds: number }
  /** A batch with events has arrived; its lag is the age of its newest change in milliseconds, null if unknown. */
  | { readonly type: "batchStarted"; readonly lag: number | null }
  /** Events of a collection are applied next. */
  | {
    readonly type: "eventsRead";
    readonly namespace: Namespace;
    readonly operations: ReadonlyMap<DocumentOperation, number>;
  }
  /** CrateDB has confirmed rows of a collection, from a batch or a chunk of the snapshot. */
  | ({ readonly type: "tableWritten" } & TableWrite)
  | ({ readonly type: "collectionChanged" } & CollectionChange)
  | ({ readonly type: "columnsAdded" } & ColumnChange)
  | ({ readonly type: "columnsWidened" } & ColumnChange)
  /** All rows of a batch are in CrateDB. */
  | {
    readonly type: "batchApplied";
    readonly events: number;
    readonly bytes: number;
    readonly seconds: number;
  }
  /** Emitted after each batch, including empty ones: at least once a second while both databases answer. */
  | ({ readonly type: "advanced" } & Advance)
  /** The position is saved: all changes before it are confirmed. */
  | { readonly type: "positionSaved" }
  | ({ readonly type: "oplogSeen" } & OplogReach)
  /** MongoDB has deleted the changes after the position: a new snapshot begins. */
  | { readonly type: "historyLost" }
  /** The stream is paused: nothing is read until `resumed`. */
  | { readonly type: "paused"; readonly reason: string | null }
  | { readonly type: "resumed" }
  /** A request of the control table has begun or ended. */
  | { readonly type: "requestChanged"; readonly request: ControlRequest }
  /** What has happened, for operators: `cdc_events`, hooks and the page have it. */
  | { readonly type: "recorded"; readonly event: RecordedEvent }
  /** Recorded events that are not in `cdc_events`, because CrateDB was away for too long. */
  | { readonly type: "recordsLost"; readonly events: number }
  /** A hook could not be reached in three tries. Of the command only. */
  | { readonly type: "hookFailed"; readonly hook: string; readonly error: string }
  /** The relay has stopped in order, with its totals. */
  | ({ readonly type: "stopped"; readonly events: number; readonly seconds: number } & Counts)
  /** The relay has ended; the error is undefined if it was done or stopped. No event follows. */
  | { readonly type: "ended"; readonly error?: unknown }
  /** A listener has thrown, or its promise was rejected. Emitted at the first failure of each listener. */
  | { readonly type: "listenerFailed"; readonly error: unknown };

export type Emit = (event: RelayEvent) => void;

/** Its failure, also of the promise that it returns, is emitted as `listenerFailed`. */
export type Listener = (event: RelayEvent) => unknown;

/** A function per type of event. */
export type Handlers = {
  readonly [Type in RelayEvent["type"]]?: (event: Extract<RelayEvent, { readonly type: Type }>) => unknown;
};

/** A listener that handles some types of events. @example IN: on({ready: () => log("ready")})({type: "ready"}) → OUT: logs "ready" */
export const on = (handlers: Handlers): Listener => (event) =>
  (handlers[event.type] as Listener | undefined)?.(event);

/**
 * Emits each event to all listeners, in order. A listener that fails stops neither the others nor the relay.
 *
 * @example
 * IN: log, draw → OUT: emit({type: "ready"}) calls both
 * IN: one that throws, log → OUT: emit({type: "ready"}) calls log with {type: "listenerFailed", error}, then with the event
 */
export function emitter(...listeners: readonly Listener[]): Emit {
  const failed = new Set<Listener>();
  const fail = (listener: Listener, error: unknown) => {
    if (failed.has(listener)) return;
    failed.add(listener);
    emit({ type: "listenerFailed", error });
  };
  const emit: Emit = (event) => {
    for (const listener of listeners) {
      try {
        const result = listener(event);
        if (result instanceof Promise) result.catch((error) => fail(listener, error));
      } catch (error) {
        fail(listener, error);
      }
    }
  };
  return emit;
}

export const NO_COUNTS: Counts = { upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 };

export const sumOf = (one: Counts, other: Counts): Counts => ({
  upserts: one.upserts + other.upserts,
  deletes: one.deletes + other.deletes,
  overflowed: one.overflowed + other.overflowed,
  deadLetters: one.deadLetters + other.deadLetters,
});
