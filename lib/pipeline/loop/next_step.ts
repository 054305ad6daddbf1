/**
 * What the replication loop does next. Pure: the state and the time decide, and nothing else.
 *
 * The loop is in one of these phases:
 *
 * OPENING - The change stream is open, and its first batch has not come.
 *           Enter: when a stream is opened, at a start and after history was lost.
 *           Exit: to SNAPSHOT or FOLLOWING with the first batch, which has the first resume token. From then on no
 *           change is missed, so that the snapshot may begin.
 *
 * SNAPSHOT - Slices of the snapshot and change batches take turns. While the snapshot's rate allows no slice, the stream
 *           is followed.
 *           Enter: if collections have to be read, at a start or because one changed its name.
 *           Exit: to FOLLOWING when nothing is left to read: all collections are read, or the last one is dropped. Then
 *           rows are made visible, the position is saved, and the end of the snapshot is reported.
 *
 * FOLLOWING - Batches are applied as they come. Their rows are made visible as often as `RefreshPace` allows, and the
 *           position is saved at intervals.
 *           Enter: `ready` is told when it is entered first.
 *           Exit: to SNAPSHOT when a collection has to be read again; to STOPPING.
 *
 * STOPPING - What was written is made visible, the position saved, the stream closed.
 *           Enter: from each phase when the stream ends, which it does when the program is told to stop. No slice of
 *           the snapshot begins after that. From FOLLOWING with `--snapshot only`, once the stream has reached the
 *           time at which the last snapshot ended.
 */

export interface LoopState {
  /** Whether the program is told to stop: the stream ends soon, and what it has read until then is applied. */
  readonly isStopping: boolean;
  /** The stream's next batch: still to come, there (or failed), or none because the stream has ended. */
  readonly batch: "awaited" | "there" | "none";
  /** Whether the stream has brought a resume token. */
  readonly hasToken: boolean;
  readonly snapshotPending: boolean;
  /** Whether a snapshot has begun and nothing is left to read: its end is to be reported. */
  readonly snapshotIsOver: boolean;
  /** When the snapshot's rate allows the next slice. All times are by the monotonic clock, in milliseconds. */
  readonly snapshotResumesAt: number;
  /** Whether the end of the snapshot, or that there is none, has been told. */
  readonly isReady: boolean;
  /** When rows are to be made visible; Infinity when all are. */
  readonly refreshDueAt: number;
  /** When the position is to be saved; Infinity when it is. */
  readonly saveDueAt: number;
  /** Whether the stream has brought events since the snapshot had its turn. */
  readonly isStreamBusy: boolean;
  /** Whether a snapshot was all that was wanted, and the stream has caught up with it. */
  readonly isComplete: boolean;
  /** When the stream's turn ends during a snapshot. */
  readonly streamTurnEnds: number;
  /** Since when the next batch has been awaited. */
  readonly awaitedSince: number;
}

export type Step =
  | { readonly kind: "wait"; readonly milliseconds: number }
  | {
    readonly kind:
      | "apply"
      | "takeSnapshotSlice"
      | "endSnapshot"
      | "becomeReady"
      | "refresh"
      | "save"
      | "stop";
  };

/** While there is a snapshot to take, how long the stream may go on before the snapshot has its turn. */
export const STREAM_TURN_MS = 2_000;
/** The same where a slice was short, in times of the slice. */
export const STREAM_TURN_SLICES = 2;
/** How long a busy stream's next batch is waited for before the snapshot has its turn. */
export const GRACE_MS = 50;

/**
 * @example
 * IN: {batch: "there", snapshotPending: false, hasToken: true, isReady: true, …}, now → OUT: {kind: "apply"}
 * IN: {batch: "awaited", snapshotPending: true, hasToken: true, …}, now → OUT: {kind: "takeSnapshotSlice"}
 */
export function nextStep(state: LoopState, now: number): Step {
  if (state.batch === "none") return { kind: "stop" };
  if (state.isStopping) return awaitBatch(state, Infinity);
  if (!state.hasToken) return awaitBatch(state, Infinity);
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
