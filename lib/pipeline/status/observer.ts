/** What a relay tells of itself. Log, progress bar, status, metrics and demo listen; none of them changes what the relay does. */
import type { Namespace } from "../../util/namespace.ts";
import type { DocumentOperation } from "../../source/stream/event.ts";
import type { Outage, OutageObserver } from "../../util/outage.ts";
import type { StageObserver } from "./stages.ts";

export interface SnapshotProgress {
  /** Documents read so far, also by earlier runs of the same snapshot. */
  readonly documents: number;
  /** Documents that there are, estimated. */
  readonly total: number;
  /** Seconds that the change stream is behind. */
  readonly lagSeconds: number;
}

/** Rows and events since the start. */
export interface Counts {
  readonly upserts: number;
  readonly deletes: number;
  /** Rows with values that their columns do not take. */
  readonly overflowed: number;
  readonly deadLetters: number;
}

/** How far the tables are. */
export interface Advance {
  /** Up to when all changes are in the tables, in milliseconds since 1970 by MongoDB's clock; null when not known. */
  readonly clusterTime: number | null;
  /** Milliseconds that they are behind, by the same clock: 0 when nothing is waiting; null when not known. */
  readonly lag: number | null;
}

/** In milliseconds. */
export interface OplogReach {
  /** The time of its oldest entry, since 1970 by MongoDB's clock. */
  readonly oldest: number;
  /** From the oldest entry to now. */
  readonly window: number;
  /** Whether the oplog has dropped nothing yet, so that its window still grows. */
  readonly isGrowing: boolean;
}

export const NO_COUNTS: Counts = { upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 };

export const sumOf = (one: Counts, other: Counts): Counts => ({
  upserts: one.upserts + other.upserts,
  deletes: one.deletes + other.deletes,
  overflowed: one.overflowed + other.overflowed,
  deadLetters: one.deadLetters + other.deadLetters,
});

/** Events of one collection in a batch. */
export interface CollectionEvents {
  readonly namespace: Namespace;
  readonly operations: ReadonlyMap<DocumentOperation, number>;
}

/** What has become of rows of one collection that were written together. */
export interface TableWrite extends Counts {
  readonly namespace: Namespace;
}

/** Columns of a collection's table that were made or widened. */
export interface ColumnChange {
  readonly namespace: Namespace;
  readonly columns: number;
}

/** A collection whose table cannot be used, and the reason. */
export interface LeftOutCollection {
  readonly collection: string;
  readonly because: string;
}

/** The stream that a relay is started for. */
export interface FollowedStream {
  /** Of the relay's own tables. */
  readonly schema: string;
  readonly stream: string;
  /** The process that has its lease. */
  readonly owner: string | null;
}

export interface RelayObserver extends OutageObserver, StageObserver {
  /** Another relay, alive or dead, has the stream: this one waits. */
  standingBy(stream: FollowedStream): void;
  /** The stream is this relay's. */
  leaseTaken(stream: FollowedStream): void;
  /** The snapshot is done, or there is none to take: changes are followed. */
  ready(): void;
  /** A snapshot has begun or goes on. Each is followed by another one or by {@linkcode snapshotDone}. */
  snapshotProgress(progress: SnapshotProgress): void;
  /** All collections are read, their rows are visible, and the position is saved. */
  snapshotDone(done: { readonly documents: number; readonly seconds: number }): void;
  /** A batch with events is there, whose newest change is so many milliseconds old; null when not known. */
  batchStarted(batch: { readonly lag: number | null }): void;
  /** A batch has events of a collection, which are applied next. */
  eventsRead(events: CollectionEvents): void;
  /** Rows of a collection are confirmed, of a batch or of a chunk of the snapshot. */
  tableWritten(write: TableWrite): void;
  /** The list of collections left out has changed. */
  collectionsLeftOut(collections: readonly LeftOutCollection[]): void;
  columnsAdded(added: ColumnChange): void;
  columnsWidened(widened: ColumnChange): void;
  /** All rows of a batch are in CrateDB. */
  batchApplied(batch: { readonly events: number; readonly bytes: number; readonly seconds: number }): void;
  /** Reported after each batch, also one without events: at least once a second while both sides answer. */
  advanced(advance: Advance): void;
  /** The position is saved: all before it is confirmed. */
  positionSaved(): void;
  oplogSeen(reach: OplogReach): void;
  /** MongoDB has deleted the changes since the position: a new snapshot begins. */
  historyLost(): void;
  stopped(summary: Counts & { readonly events: number; readonly seconds: number }): void;
  /** The relay ends: by an error, or because it is done or was told to stop. Nothing comes after it. */
  ended(error?: unknown): void;
  /** A listener has thrown, or its promise was rejected. Emitted at the first failure of each listener. */
  observerFailed(failure: { readonly error: unknown }): void;
}

/**
 * Emits each event to all observers that listen to it, in their order. One that fails stops neither the others nor
 * the relay.
 *
 * @example
 * IN: {ready: log}, {snapshotDone: draw}, {ready: resolve} → OUT: ready() calls log and resolve
 * IN: {ready: () => { throw error }}, {observerFailed: log} → OUT: ready() calls log with the error
 */
export function observers(...listeners: readonly Partial<RelayObserver>[]): RelayObserver {
  const failed = new Set<Partial<RelayObserver>>();
  const fail = (listener: Partial<RelayObserver>, error: unknown) => {
    if (failed.has(listener)) return;
    failed.add(listener);
    all.forEach((each) => each.observerFailed?.({ error }));
  };
  const all = {
    forEach(emit: (listener: Partial<RelayObserver>) => unknown): void {
      for (const listener of listeners) {
        try {
          const result = emit(listener);
          if (result instanceof Promise) result.catch((error) => fail(listener, error));
        } catch (error) {
          fail(listener, error);
        }
      }
    },
  };
  return {
    standingBy: (stream) => all.forEach((each) => each.standingBy?.(stream)),
    leaseTaken: (stream) => all.forEach((each) => each.leaseTaken?.(stream)),
    ready: () => all.forEach((each) => each.ready?.()),
    snapshotProgress: (progress) => all.forEach((each) => each.snapshotProgress?.(progress)),
    snapshotDone: (done) => all.forEach((each) => each.snapshotDone?.(done)),
    batchStarted: (batch) => all.forEach((each) => each.batchStarted?.(batch)),
    eventsRead: (events) => all.forEach((each) => each.eventsRead?.(events)),
    tableWritten: (write) => all.forEach((each) => each.tableWritten?.(write)),
    collectionsLeftOut: (collections) => all.forEach((each) => each.collectionsLeftOut?.(collections)),
    columnsAdded: (added) => all.forEach((each) => each.columnsAdded?.(added)),
    columnsWidened: (widened) => all.forEach((each) => each.columnsWidened?.(widened)),
    batchApplied: (batch) => all.forEach((each) => each.batchApplied?.(batch)),
    stageDone: (done) => all.forEach((each) => each.stageDone?.(done)),
    advanced: (advance) => all.forEach((each) => each.advanced?.(advance)),
    positionSaved: () => all.forEach((each) => each.positionSaved?.()),
    oplogSeen: (reach) => all.forEach((each) => each.oplogSeen?.(reach)),
    historyLost: () => all.forEach((each) => each.historyLost?.()),
    retried: (failure) => all.forEach((each) => each.retried?.(failure)),
    outageBegan: (outage) => all.forEach((each) => each.outageBegan?.(outage)),
    outage: (outage: Outage) => all.forEach((each) => each.outage?.(outage)),
    recovered: (outage) => all.forEach((each) => each.recovered?.(outage)),
    stopped: (summary) => all.forEach((each) => each.stopped?.(summary)),
    ended: (error) => all.forEach((each) => each.ended?.(error)),
    observerFailed: (failure) => all.forEach((each) => each.observerFailed?.(failure)),
  };
}
