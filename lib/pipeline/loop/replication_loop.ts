/** The replication loop: runs the steps that {@linkcode nextStep} returns. */
import { BSON } from "mongodb";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import { estimatedCount } from "../../source/documents/collections.ts";
import type { Share } from "../../source/documents/share.ts";
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import { hasReached } from "../../source/stream/resume_token.ts";
import { type Clock, waitAtMost } from "../../util/clock.ts";
import type { Namespace } from "../../util/namespace.ts";
import type { RequestedRepairs } from "../collections/repair.ts";
import { Snapshot, type SnapshotDeps } from "../snapshot/snapshot.ts";
import type { SnapshotPlan, SnapshotState } from "../snapshot/snapshot_state.ts";
import { timed, type Trace } from "../status/stages.ts";
import { advanceOf, ageOf } from "../status/stream_lag.ts";
import { applyBatch, type ApplyDeps } from "./apply_batch.ts";
import { Checkpoint } from "./checkpoint.ts";
import { type LoopState, nextStep, STREAM_TURN_MS, STREAM_TURN_SLICES } from "./next_step.ts";
import { startUp } from "./startup.ts";

export interface LoopDeps extends Omit<ApplyDeps, "snapshot"> {
  readonly position: StreamPosition;
  readonly splitter: SnapshotDeps["splitter"];
  readonly repairs: Pick<RequestedRepairs, "runIfDue">;
  readonly share: Share;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly mongodbClock: Pick<Clock, "now">;
  readonly trace: Trace;
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
  const stream = new NextBatch(batches, deps.clock);
  await stream.arrival;
  const { namespaces, plan } = await startUp(unfinished, deps);
  /** Estimates how many documents of collections are this relay's. */
  const countOf = async (...all: readonly Namespace[]) =>
    Math.round(await estimatedCount(causalReader, all) / share.relays);
  // Requeued collections count twice.
  const total = await countOf(...unfinished === null ? [] : namespaces, ...plan.requeued);
  await new ReplicationLoop(stream, deps, plan, { isDue: unfinished !== null, total, countOf }).run();
}

/** Reads the next batch ahead. */
class NextBatch {
  readonly #batches: AsyncIterator<ChangeBatch>;
  readonly #clock: Pick<Clock, "monotonic">;
  state: LoopState["batch"] = "awaited";
  /** When the wait for the batch began, by the monotonic clock. */
  since = 0;
  /** Settles when the batch has arrived or failed, or the stream has ended. */
  arrival!: Promise<IteratorResult<ChangeBatch>>;

  constructor(batches: AsyncIterator<ChangeBatch>, clock: Pick<Clock, "monotonic">) {
    this.#batches = batches;
    this.#clock = clock;
    this.advance();
  }

  async value(): Promise<ChangeBatch> {
    const { value, done } = await this.arrival;
    if (done) throw new Error("The stream has ended");
    return value;
  }

  advance(): void {
    this.state = "awaited";
    this.since = this.#clock.monotonic();
    this.arrival = this.#batches.next();
    this.arrival.then(
      ({ done }) => this.state = done ? "none" : "there",
      () => this.state = "there", // The error is thrown by `value`.
    );
  }
}

class ReplicationLoop {
  readonly #stream: NextBatch;
  readonly #deps: LoopDeps;
  readonly #snapshot: Snapshot;
  readonly #checkpoint: Checkpoint;
  readonly #startedAt: number;
  #streamTurnEnds = 0;
  /** The time that the stream has to reach with `--snapshot only`; undefined until the snapshot ends. */
  #snapshotTime: BSON.Timestamp | undefined;
  #isReady = false;
  #isStreamBusy = false;
  #events = 0;
  #progress: ReturnType<typeof advanceOf> = { clusterTime: null, lag: null };

  constructor(
    stream: NextBatch,
    deps: LoopDeps,
    plan: SnapshotPlan,
    start: Pick<SnapshotDeps, "isDue" | "total" | "countOf">,
  ) {
    this.#stream = stream;
    this.#deps = deps;
    this.#startedAt = deps.clock.monotonic();
    this.#checkpoint = new Checkpoint({ ...deps, snapshot: () => this.#snapshot.state });
    this.#snapshot = new Snapshot(plan, {
      ...deps,
      ...start,
      lagSeconds: () => this.#checkpoint.lagSeconds,
      onChunkApplied: async () => {
        this.#checkpoint.applied({ hasRows: true });
        await this.#checkpoint.runIfDue();
      },
    });
  }

  async run(): Promise<void> {
    const { clock, trace, emit } = this.#deps;
    const steps = {
      apply: () => this.#apply(),
      takeSnapshotSlice: () => trace("snapshot slice", () => this.#takeSnapshotSlice()),
      endSnapshot: () => trace("checkpoint", () => this.#endSnapshot()),
      becomeReady: () => this.#becomeReady(),
      refresh: () => trace("checkpoint", () => this.#checkpoint.refresh()),
      save: () => trace("checkpoint", () => this.#checkpoint.save()),
    };
    while (true) {
      const step = nextStep(this.#state, clock.monotonic());
      if (step.kind === "stop") return await this.#stop();
      // An error of the stream is thrown by `#apply`.
      if (step.kind !== "wait") await steps[step.kind]();
      else await timed("read", () => waitAtMost(step.milliseconds, this.#stream.arrival, clock), { emit });
    }
  }

  get #state(): LoopState {
    const { settings, signal } = this.#deps;
    const { token, saveDueAt } = this.#checkpoint;
    const { state: batch, since: awaitedSince } = this.#stream;
    const until = settings.snapshot === "only" ? this.#snapshotTime : undefined;
    return {
      isStopping: signal.aborted,
      batch,
      hasToken: token !== null,
      snapshotPending: this.#snapshot.pending,
      snapshotIsOver: this.#snapshot.isOver,
      snapshotResumesAt: this.#snapshot.resumesAt,
      isReady: this.#isReady,
      refreshDueAt: this.#checkpoint.refreshDueAt(batch === "there"),
      saveDueAt,
      isStreamBusy: this.#isStreamBusy,
      isComplete: until !== undefined && token !== null && hasReached(token, until),
      streamTurnEnds: this.#streamTurnEnds,
      awaitedSince,
    };
  }

  async #apply(): Promise<void> {
    const batch = await this.#stream.value();
    const apply = () => this.#applyBatch(batch);
    // MongoDB sends an empty batch every second.
    await (batch.events > 0 ? this.#deps.trace("batch", apply) : apply());
  }

  async #applyBatch(batch: ChangeBatch): Promise<void> {
    const { emit, clock, mongodbClock, tables, repairs } = this.#deps;
    const { events, bytes, token } = batch;
    const hasRows = events > 0;
    const startedAt = clock.monotonic();
    if (hasRows) emit({ type: "batchStarted", lag: ageOf(batch, mongodbClock.now()) });
    await applyBatch(batch, { ...this.#deps, snapshot: this.#snapshot });
    this.#stream.advance();
    this.#progress = advanceOf(batch, { now: mongodbClock.now(), before: this.#progress.clusterTime });
    this.#checkpoint.applied({ token, hasRows, isUpToDate: this.#progress.lag === 0 && !hasRows });
    if (hasRows) {
      this.#events += events;
      this.#isStreamBusy = true;
      const seconds = Math.round(clock.monotonic() - startedAt) / 1_000;
      emit({ type: "batchApplied", events, bytes, seconds });
    }
    emit({ type: "advanced", ...this.#progress });
    for (const collection of await tables.maintain()) this.#snapshot.requeueSkipped(collection);
    if (await repairs.runIfDue()) this.#checkpoint.applied({ hasRows: true });
  }

  async #takeSnapshotSlice(): Promise<void> {
    const { clock } = this.#deps;
    const startedAt = clock.monotonic();
    this.#isStreamBusy = false;
    await this.#snapshot.runSlice();
    const now = clock.monotonic();
    this.#streamTurnEnds = now + Math.min(STREAM_TURN_MS, STREAM_TURN_SLICES * (now - startedAt));
  }

  /** No document of the snapshot is newer than the last read. */
  async #endSnapshot(): Promise<void> {
    this.#snapshotTime = this.#timeRead;
    await this.#checkpoint.flush();
    this.#snapshot.end();
  }

  #becomeReady(): void {
    this.#isReady = true;
    this.#snapshotTime ??= this.#timeRead;
    this.#deps.emit({ type: "ready" });
  }

  get #timeRead(): BSON.Timestamp {
    return this.#deps.causalReader.time ?? NO_TIME;
  }

  async #stop(): Promise<void> {
    const { emit, tables, clock } = this.#deps;
    await this.#checkpoint.flush();
    const seconds = Math.round((clock.monotonic() - this.#startedAt) / 100) / 10;
    emit({ type: "stopped", events: this.#events, ...tables.counts, seconds });
  }
}
