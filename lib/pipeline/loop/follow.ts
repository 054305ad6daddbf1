/** Follows one change stream after the other: after history was lost, a new one begins with a snapshot. */
import { BSON } from "../../bson/library.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import { clusterTimeText } from "../../source/connection/cluster_time.ts";
import { isHistoryLost, OtherDeploymentError } from "../../source/connection/mongodb_errors.ts";
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import { savedToken, timeOf } from "../../source/stream/resume_token.ts";
import type { Clock } from "../../util/clock.ts";
import { messageOf, UserError } from "../../util/errors.ts";
import {
  fullSnapshot,
  parseSnapshotState,
  snapshotAtStart,
  type SnapshotState,
  snapshotStateText,
} from "../snapshot/snapshot_state.ts";
import { emitter, on } from "../status/events.ts";
import { checkOriginNow } from "./startup.ts";
import { type LoopDeps, replicate } from "./replication_loop.ts";

/**
 * @param from BSON of the resume token to continue after, or a time; null to start now
 * @param left ends the stream, also while it waits for MongoDB
 */
export type OpenStream = (
  from: Uint8Array | BSON.Timestamp | null,
  left: AbortSignal,
) => AsyncGenerator<ChangeBatch>;

/** Takes the snapshot that is due, then follows the changes until the stream ends. */
export async function follow(open: OpenStream, deps: LoopDeps): Promise<void> {
  const { position, log, clock, settings: { startAt } } = deps;
  const breaker = snapshotBreaker(clock);
  const watched = { ...deps, emit: emitter(deps.emit, breaker.listen) };
  let snapshot = await snapshotOfStart(deps);
  while (true) {
    const { stream, state: { token } } = position;
    // A snapshot replaces lost history: the stream then starts now.
    const isFirst = snapshot === null && startAt instanceof BSON.Timestamp;
    const from = token !== null ? savedToken(token) : isFirst ? startAt : null;
    log.info(token !== null ? "Resuming from the saved position" : "Opening a new change stream", {
      position: stream,
    });
    try {
      return await withStream((left) => open(from, left), (batches) => replicate(batches, snapshot, watched));
    } catch (error) {
      if (!isHistoryLost(error)) throw error;
      if (from instanceof BSON.Timestamp && position.state.token === null) throw startTooEarly(from, error);
      const reason = error instanceof OtherDeploymentError ? error : await otherDeployment(deps) ?? error;
      snapshot = await snapshotAfterLoss(reason, watched, breaker.historyLost);
    }
  }
}

const startTooEarly = (at: BSON.Timestamp, cause: unknown): UserError =>
  new UserError(
    `MongoDB no longer has the changes since --start-at ${clusterTimeText(at)}.`,
    {
      hint:
        "No row was changed. Give a later time, or take a snapshot: without --start-at and --snapshot never.",
      cause,
    },
  );

/** What is left of the snapshot that this start has to take; null for none. */
async function snapshotOfStart(
  { position, tables, settings, goesOn = false }: LoopDeps,
): Promise<SnapshotState | null> {
  const { token, snapshot: saved } = position.state;
  const mode = goesOn && settings.snapshot !== "never" ? "initial" : settings.snapshot;
  const snapshot = snapshotAtStart(saved === null ? null : parseSnapshotState(saved), mode, {
    hasToken: token !== null,
    hadTables: token === null && await tables.hadTables(),
  });
  // All documents are read again, so the changes since the saved position are not needed.
  if (snapshot && mode === "always" && token !== null) await startOver(snapshot, position);
  return snapshot;
}

/** Uses a stream, then closes it, even if that fails. */
export async function withStream(
  open: (left: AbortSignal) => AsyncGenerator<ChangeBatch>,
  use: (stream: AsyncGenerator<ChangeBatch>) => Promise<void>,
): Promise<void> {
  const left = new AbortController();
  const stream = open(left.signal);
  try {
    return await use(stream);
  } finally {
    left.abort();
    await stream.return(undefined).catch(() => {}); // Nothing is read any more, so its errors do not matter.
  }
}

/** That this is another deployment; undefined if it is the same. */
const otherDeployment = (deps: LoopDeps): Promise<OtherDeploymentError | void> =>
  checkOriginNow(deps).catch((error) =>
    error instanceof OtherDeploymentError ? error : Promise.reject(error)
  );

/** @returns the snapshot that replaces the changes which MongoDB no longer has */
async function snapshotAfterLoss(
  error: unknown,
  { position, settings, log, emit }: LoopDeps,
  checkSnapshots: () => void,
): Promise<SnapshotState> {
  const { token } = position.state;
  const since = token === null ? undefined : timeOf(savedToken(token))?.toISOString();
  if (settings.onHistoryLost === "fail" && !(error instanceof OtherDeploymentError)) {
    throw new UserError(`MongoDB no longer has the changes since ${since ?? "the saved position"}.`, {
      hint: "The oplog has moved on. --on-history-lost recopy takes a new snapshot; a larger oplog " +
        "(replSetResizeOplog) keeps it from happening.",
      cause: error,
    });
  }
  checkSnapshots();
  emit({ type: "historyLost" });
  log.warn("MongoDB no longer has the changes since the saved position: taking a new snapshot", {
    since,
    because: messageOf(error),
  });
  const snapshot = fullSnapshot({ removesStale: true });
  await startOver(snapshot, position);
  return snapshot;
}

/** The next stream starts now, with this snapshot. */
const startOver = (snapshot: SnapshotState, position: Pick<StreamPosition, "save">): Promise<void> =>
  position.save({ token: null, snapshot: snapshotStateText(snapshot), origin: null, barrier: null });

/** Snapshots in a row that were not followed for longer than they took. */
const MAX_SNAPSHOTS = 3;

/**
 * Ends a relay that would take snapshots forever, because CrateDB writes more slowly than MongoDB's oplog drops changes:
 * history is lost again during each snapshot, or soon after it.
 */
export function snapshotBreaker(clock: Pick<Clock, "monotonic">) {
  let inARow = 0;
  let done: { readonly at: number; readonly took: number } | undefined;
  return {
    listen: on({ snapshotDone: ({ seconds }) => done = { at: clock.monotonic(), took: seconds * 1_000 } }),
    /** Call it before the snapshot that replaces lost history. */
    historyLost(): void {
      if (done && clock.monotonic() - done.at > done.took) inARow = 0;
      done = undefined;
      if (inARow++ < MAX_SNAPSHOTS) return;
      throw new UserError(
        `MongoDB lost the changes again after ${MAX_SNAPSHOTS} snapshots, each sooner than it had taken.`,
        {
          hint:
            "The oplog keeps changes for less time than a snapshot needs. Enlarge it (replSetResizeOplog, " +
            "storage.oplogMinRetentionHours), give CrateDB more room, or follow fewer collections. Then start again.",
        },
      );
    },
  };
}
