/** What a relay tells of itself. Log, progress bar and demo listen; none of them changes what the relay does. */
import type { Outage, OutageObserver } from "../util/outage.ts";

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

export interface RelayObserver extends OutageObserver {
  /** The snapshot is done, or there is none to take: changes are followed. */
  ready(): void;
  snapshotProgress(progress: SnapshotProgress): void;
  snapshotDone(done: { readonly documents: number; readonly seconds: number }): void;
  /** All rows of a batch are in CrateDB. */
  batchApplied(batch: { readonly events: number; readonly bytes: number; readonly seconds: number }): void;
  stopped(summary: Counts & { readonly events: number; readonly seconds: number }): void;
}

/**
 * Tells each event to all observers that listen to it, in their order.
 *
 * @example
 * IN: {ready: log}, {snapshotDone: draw}, {ready: resolve} → OUT: ready() calls log and resolve
 */
export function observers(...all: readonly Partial<RelayObserver>[]): RelayObserver {
  return {
    ready: () => all.forEach((each) => each.ready?.()),
    snapshotProgress: (progress) => all.forEach((each) => each.snapshotProgress?.(progress)),
    snapshotDone: (done) => all.forEach((each) => each.snapshotDone?.(done)),
    batchApplied: (batch) => all.forEach((each) => each.batchApplied?.(batch)),
    outage: (outage: Outage) => all.forEach((each) => each.outage?.(outage)),
    recovered: (outage) => all.forEach((each) => each.recovered?.(outage)),
    stopped: (summary) => all.forEach((each) => each.stopped?.(summary)),
  };
}
