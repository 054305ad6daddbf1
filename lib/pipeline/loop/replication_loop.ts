/** The replication loop: runs the steps that {@linkcode nextStep} returns. */
import { BSON } from "mongodb";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import { estimatedCount } from "../../source/documents/collections.ts";
import type { Share } from "../../source/documents/share.ts";
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import { hasReached } from "../../source/stream/resume_token.ts";
import { type Clock, waitAtMost } from "../../util/clock.ts";
import type { Namespace } from "../../util/namespace.ts";
import { FilteredSnapshots, type FilteredSnapshotsDeps } from "../snapshot/filtered_snapshots.ts";
import { Snapshot, type SnapshotDeps } from "../snapshot/snapshot.ts";
import { readsCollections, type SnapshotState } from "../snapshot/snapshot_state.ts";
import type { Advance } from "../status/events.ts";
import { timed, type Trace } from "../status/stages.ts";
import { advanceOf, ageOf } from "../status/stream_lag.ts";
import { applyBatch, type ApplyDeps } from "./apply_batch.ts";
import { Checkpoint } from "./checkpoint.ts";
import { type LoopState, nextStep, STREAM_TURN_MS, STREAM_TURN_SLICES } from "./next_step.ts";
import { type Outdated, startUp } from "./startup.ts";

export interface LoopDeps extends Omit<ApplyDeps, "snapshot"> {
  readonly position: StreamPosition;
  readonly chunks: SnapshotDeps["chunks"] & FilteredSnapshotsDeps["chunks"];
  readonly splitter: SnapshotDeps["splitter"];
  readonly bulkReader: CausalReader;
  /** Called after each batch, at least once a second. */
  readonly between: (loop: LoopDeps & Pick<RunningDeps, "checkpoint" | "snapshot">) => Promise<void>;
  readonly share: Share;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly mongodbClock: Pick<Clock, "now">;
  readonly trace: Trace;
  readonly outdated?: Outdated;
  /** Whether this process has begun the snapshot of `--snapshot always` or `only` before. @default {false} */
  readonly goesOn?: boolean;
}

const NO_TIME = new BSON.Timestamp(0n);

/**
 * Applies batch after batch, and slices of the snapshot in between, until the stream ends.
 *
 * @param unfinished the snapshot to take; null for none
 */
export async function replicate(
  batches: AsyncGenerator<ChangeBatch>,
  unfinished: SnapshotState | null,
  deps: LoopDeps,
): Promise<void> {
  const { causalReader, share } = deps;
  const first = batches.next();
  await first;
  const { namespaces, plan } = await startUp(unfinished, deps);
  /** Estimates how many documents of collections are this relay's. */
  const countOf = async (...all: readonly Namespace[]) =>
    Math.round(await estimatedCount(causalReader, all) / share.relays);
  // Requeued collections count twice.
  const isDue = unfinished !== null && readsCollections(unfinished);
  const all = unfinished !== null && unfinished.resumeAt !== null ? namespaces : [];
  const total = await countOf(...all, ...plan.requeued);
  const filtered = new FilteredSnapshots(plan.filtered ?? [], deps);
  const checkpoint: Checkpoint = new Checkpoint({ ...deps, snapshot: () => snapshot.state });
  const snapshot: Snapshot = new Snapshot(plan, {
    ...deps,
    isDue,
    filtered,
    total,
    countOf,
    lagSeconds: () => checkpoint.lagSeconds,
    onChunkApplied: async () => {
      checkpoint.applied({ hasRows: true });
      await checkpoint.runIfDue();
    },
  });
  await new ReplicationLoop({ ...deps, batches, checkpoint, snapshot, filtered }, first).run();
}

interface RunningDeps extends LoopDeps {
  readonly batches: AsyncIterator<ChangeBatch>;
  readonly checkpoint: Checkpoint;
  readonly snapshot: Snapshot;
  readonly filtered: FilteredSnapshots;
}

/** Reads the next batch ahead. */
class ReplicationLoop {
  readonly #startedAt: number;
  /** Settles when the next batch has arrived or failed, or the stream has ended. */
  #arrival: Promise<IteratorResult<ChangeBatch>>;
  /** The part of {@linkcode LoopState} that the loop itself keeps. */
  readonly #own = {
    batch: "awaited" as LoopState["batch"],
    awaitedSince: 0,
    streamTurnEnds: 0,
    isReady: false,
    isStreamBusy: false,
  };
  /** The time that the stream has to reach with `--snapshot only`; undefined until the snapshot ends. */
  #snapshotTime: BSON.Timestamp | undefined;
  #events = 0;
  #progress: Advance = { clusterTime: null, lag: null };

  constructor(private readonly deps: RunningDeps, first: Promise<IteratorResult<ChangeBatch>>) {
    this.#startedAt = deps.clock.monotonic();
    this.#arrival = this.#awaiting(first);
  }

  async run(): Promise<void> {
    const { clock, trace, emit, checkpoint } = this.deps;
    const steps = {
      apply: () => this.#apply(),
      takeSnapshotSlice: () => trace("snapshot slice", () => this.#takeSnapshotSlice()),
      endSnapshot: () => trace("checkpoint", () => this.#endSnapshot()),
      becomeReady: () => this.#becomeReady(),
      refresh: () => trace("checkpoint", () => checkpoint.refresh()),
      save: () => trace("checkpoint", () => checkpoint.save()),
    };
    while (true) {
      const step = nextStep(this.#state, clock.monotonic());
      if (step.kind === "stop") return await this.#stop();
      if (step.kind !== "wait") await steps[step.kind]();
      else await timed("read", () => waitAtMost(step.milliseconds, this.#arrival, clock), { emit });
    }
  }

  get #state(): LoopState {
    const { settings, signal, checkpoint, snapshot, filtered } = this.deps;
    const { token } = checkpoint;
    const until = settings.snapshot === "only" ? this.#snapshotTime : undefined;
    return {
      ...this.#own,
      isStopping: signal.aborted,
      hasToken: token !== null,
      snapshotPending: snapshot.pending || this.#own.isReady && filtered.isReady,
      snapshotIsOver: snapshot.isOver,
      snapshotResumesAt: snapshot.pending ? snapshot.resumesAt : filtered.resumesAt,
      refreshDueAt: checkpoint.refreshDueAt(this.#own.batch === "there"),
      saveDueAt: checkpoint.saveDueAt,
      isComplete: until !== undefined && token !== null && hasReached(token, until),
    };
  }

  #awaiting(arrival: Promise<IteratorResult<ChangeBatch>>): typeof arrival {
    this.#own.batch = "awaited";
    this.#own.awaitedSince = this.deps.clock.monotonic();
    arrival.then(
      ({ done }) => this.#own.batch = done ? "none" : "there",
      () => this.#own.batch = "there", // The error is thrown by `#apply`.
    );
    return arrival;
  }

  async #apply(): Promise<void> {
    const { value: batch, done } = await this.#arrival;
    if (done) throw new Error("The stream has ended");
    const apply = () => this.#applyBatch(batch);
    // MongoDB sends an empty batch every second.
    await (batch.events > 0 ? this.deps.trace("batch", apply) : apply());
  }

  async #applyBatch(batch: ChangeBatch): Promise<void> {
    const { emit, clock, mongodbClock, tables, between, batches, checkpoint, snapshot } = this.deps;
    const { events, bytes, token } = batch;
    const hasRows = events > 0;
    const startedAt = clock.monotonic();
    if (hasRows) emit({ type: "batchStarted", lag: ageOf(batch, mongodbClock.now()) });
    await applyBatch(batch, this.deps);
    this.#arrival = this.#awaiting(batches.next());
    this.#progress = advanceOf(batch, { now: mongodbClock.now(), before: this.#progress.clusterTime });
    checkpoint.applied({ token, hasRows, isUpToDate: this.#progress.lag === 0 && !hasRows });
    if (hasRows) {
      this.#events += events;
      this.#own.isStreamBusy = true;
      const seconds = Math.round(clock.monotonic() - startedAt) / 1_000;
      emit({ type: "batchApplied", events, bytes, seconds });
    }
    emit({ type: "advanced", ...this.#progress });
    for (const collection of await tables.maintain()) snapshot.requeueSkipped(collection);
    await between(this.deps);
  }

  async #takeSnapshotSlice(): Promise<void> {
    const { clock, snapshot, filtered, checkpoint } = this.deps;
    const startedAt = clock.monotonic();
    this.#own.isStreamBusy = false;
    if (snapshot.pending) await snapshot.runSlice();
    else {
      await filtered.runSlice();
      checkpoint.applied({ hasRows: true });
    }
    const now = clock.monotonic();
    this.#own.streamTurnEnds = now + Math.min(STREAM_TURN_MS, STREAM_TURN_SLICES * (now - startedAt));
  }

  /** No document of the snapshot is newer than the last read. */
  async #endSnapshot(): Promise<void> {
    this.#snapshotTime = this.#timeRead;
    await this.deps.checkpoint.flush();
    this.deps.snapshot.end();
  }

  #becomeReady(): void {
    this.#own.isReady = true;
    this.#snapshotTime ??= this.#timeRead;
    this.deps.emit({ type: "ready" });
  }

  get #timeRead(): BSON.Timestamp {
    return this.deps.causalReader.time ?? NO_TIME;
  }

  async #stop(): Promise<void> {
    const { emit, tables, clock, checkpoint } = this.deps;
    await checkpoint.flush();
    const seconds = Math.round((clock.monotonic() - this.#startedAt) / 100) / 10;
    emit({ type: "stopped", events: this.#events, ...tables.counts, seconds });
  }
}
