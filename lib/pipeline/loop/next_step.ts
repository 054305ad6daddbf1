/**
 * What the replication loop does next, decided by its state and the time alone. Pure. The phases of the loop:
 *
 * OPENING - until the first batch of a stream brings the first resume token. From then on no change is missed, so the
 *   snapshot may begin.
 *
 * SNAPSHOT - while collections have to be read, at a start or after an event such as a rename: slices of the snapshot
 *   and change batches alternate. While the snapshot's rate allows no slice, the loop follows the stream. At the end rows
 *   are made visible, the position is saved, and the end of the snapshot is emitted.
 *
 * FOLLOWING - batches are applied as they arrive. Their rows are made visible as often as `RefreshPace` allows, and the
 *   position is saved at intervals. `ready` is emitted the first time.
 *
 * STOPPING - when the stream ends, in each phase, or, with `--snapshot only`, has reached the time at which the last
 *   snapshot ended. No slice of the snapshot begins any more. Rows are made visible, and the position is saved.
 */

/** All times are in milliseconds of the monotonic clock. */
export interface LoopState {
  /** The stream ends soon, and what it has read until then is applied. */
  readonly isStopping: boolean;
  /** The stream's next batch: awaited, there (or failed), or none because the stream has ended. */
  readonly batch: "awaited" | "there" | "none";
  readonly hasToken: boolean;
  readonly snapshotPending: boolean;
  /** Whether a snapshot has begun and nothing is left to read. */
  readonly snapshotIsOver: boolean;
  readonly snapshotResumesAt: number;
  readonly isReady: boolean;
  /** When rows are to be made visible; Infinity if all are. */
  readonly refreshDueAt: number;
  /** When the position is to be saved; Infinity if it is. */
  readonly saveDueAt: number;
  /** Whether the stream has brought events since the last slice of the snapshot. */
  readonly isStreamBusy: boolean;
  /** Whether only a snapshot was requested, and the stream has caught up with it. */
  readonly isComplete: boolean;
  readonly streamTurnEnds: number;
  /** When the wait for the next batch began. */
  readonly awaitedSince: number;
}

export type Step =
  | { kind: "wait"; milliseconds: number }
  | { kind: "apply" | "takeSnapshotSlice" | "endSnapshot" | "becomeReady" | "refresh" | "save" | "stop" };

/** The longest turn of the stream during a snapshot. */
export const STREAM_TURN_MS = 2_000;
/** The turn after a short slice, in times of the slice. */
export const STREAM_TURN_SLICES = 2;
/** How long the loop waits for the next batch of a busy stream before the snapshot has its turn. */
export const GRACE_MS = 50;

/**
 * @example
 * IN: {batch: "there", snapshotPending: false, hasToken: true, isReady: true, …}, now → OUT: {kind: "apply"}
 * IN: {batch: "awaited", snapshotPending: true, hasToken: true, …}, now → OUT: {kind: "takeSnapshotSlice"}
 */
export function nextStep(state: LoopState, now: number): Step {
  if (state.batch === "none") return { kind: "stop" };
  if (state.isStopping || !state.hasToken) return awaitBatch(state, Infinity);
  if (state.snapshotIsOver) return { kind: "endSnapshot" };
  if (now >= state.refreshDueAt) return { kind: "refresh" };
  if (now >= state.saveDueAt) return { kind: "save" };
  if (state.snapshotPending) return takeTurns(state, now);
  if (!state.isReady) return { kind: "becomeReady" };
  if (state.isComplete) return { kind: "stop" };
  return follow(state, now);
}

/** @param longest wait, in milliseconds */
const follow = (state: LoopState, now: number, longest = Infinity): Step =>
  awaitBatch(state, Math.min(longest, state.refreshDueAt - now, state.saveDueAt - now));

const awaitBatch = ({ batch }: LoopState, milliseconds: number): Step =>
  batch === "there" ? { kind: "apply" } : { kind: "wait", milliseconds };

function takeTurns(state: LoopState, now: number): Step {
  const pause = state.snapshotResumesAt - now;
  if (pause > 0) return follow(state, now, pause);
  if (now >= state.streamTurnEnds) return { kind: "takeSnapshotSlice" };
  if (state.batch === "there") return { kind: "apply" };
  const left = state.isStreamBusy ? state.awaitedSince + GRACE_MS - now : 0;
  return left > 0 ? { kind: "wait", milliseconds: left } : { kind: "takeSnapshotSlice" };
}
