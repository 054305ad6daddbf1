/**
 * The replication loop between two databases in memory, with the real outage trackers, heartbeat, status, metrics and
 * progress bar's events. Time stands still until a test moves it on.
 */
import { type BSON, MongoServerError } from "mongodb";
import type { Namespace } from "../../lib/util/namespace.ts";
import { RelayMetrics } from "../../lib/monitor/relay_metrics.ts";
import { readiness } from "../../lib/monitor/monitor.ts";
import { Heartbeat, StatusReporter } from "../../lib/pipeline/status/heartbeat.ts";
import { emitter, type Listener, on } from "../../lib/pipeline/status/events.ts";
import { follow } from "../../lib/pipeline/loop/follow.ts";
import type { LoopDeps } from "../../lib/pipeline/loop/replication_loop.ts";
import type { SavedState } from "../../lib/sink/metadata/stream_position.ts";
import { UNTRACED } from "../../lib/pipeline/status/stages.ts";
import { columnsOf } from "../../lib/pipeline/status/relay_status.ts";
import { StatusTracker } from "../../lib/pipeline/status/status_tracker.ts";
import { MongodbCode } from "../../lib/source/connection/mongodb_errors.ts";
import type { DocumentChange } from "../../lib/source/stream/event.ts";
import { ALL_DOCUMENTS } from "../../lib/source/documents/share.ts";
import { Scope } from "../../lib/source/documents/scope.ts";
import { QUIET } from "../../lib/util/log.ts";
import { Shutdown } from "../../lib/util/shutdown.ts";
import { tablesInMemory } from "./cratedb_in_memory.ts";
import { databaseInMemory, type Mood } from "./database_in_memory.ts";
import { fakeClock, START } from "./fake_clock.ts";
import { keyed, mongodbInMemory, SECOND } from "./mongodb_in_memory.ts";

export const MAX_LAG = 3_000;
/** Promises that resolve one after the other until nothing happens any more. */
const TURNS = 400;

export interface RelayOptions {
  /** Documents of each collection of the database `shop`. */
  readonly collections?: Readonly<Record<string, number>>;
  readonly snapshot?: "initial" | "never" | "always" | "only";
  /** Documents a second that the snapshot reads at most. @default {no limit} */
  readonly snapshotRate?: number;
  readonly listener?: Listener;
  /** The position that an earlier relay has saved. @default {none} */
  readonly saved?: SavedState;
  readonly onHistoryLost?: "recopy" | "fail";
  readonly startAt?: BSON.Timestamp;
  /** Whether this process has begun the snapshot before. @default {false} */
  readonly goesOn?: boolean;
  /** Collections whose rows were written with other settings. @default {none} */
  readonly outdated?: readonly string[];
}

export type RelayInMemory = ReturnType<typeof relayInMemory>;

/** Starts the loop. */
export function relayInMemory(options: RelayOptions = {}) {
  const { snapshot = "initial", snapshotRate = 0, listener = () => {}, onHistoryLost = "recopy" } = options;
  const clock = fakeClock();
  const stop = new AbortController();
  const shutdown = new Shutdown(stop.signal, clock.monotonic);
  const collections = new Map(Object.entries(options.collections ?? { a: 3 }));
  const reported: string[] = [];
  const status = new StatusTracker(clock);
  const metrics = new RelayMetrics({
    streams: [{ name: "", status }],
    clock,
    versions: { version: "", runtime: "" },
  });
  const recorder = on({
    ready: () => reported.push("ready"),
    snapshotProgress: ({ documents, total }) => reported.push(`snapshot ${documents} of ${total}`),
    snapshotDone: ({ documents }) => reported.push(`snapshot done ${documents}`),
    outageBegan: ({ system }) => reported.push(`${system} is away`),
    recovered: ({ system }) => reported.push(`${system} is back`),
    stopped: () => reported.push("stopped"),
  });
  const emit = emitter(status.listen, metrics.listen, recorder, listener);

  const surroundings = { clock, emit, status, shutdown };
  const mongodb = databaseInMemory("MongoDB", surroundings);
  const cratedb = databaseInMemory("CrateDB", surroundings);
  const source = mongodbInMemory({ database: mongodb, collections, clock, signal: stop.signal });
  const { causalReader, reader, stream, push, wake, time, tokenOf } = source;
  const tables = tablesInMemory(cratedb, emit);

  const heartbeat = new Heartbeat({
    mongodb: mongodb.outages,
    sink: cratedb.outages,
    ask: () => cratedb.ask("ping"),
    clock,
  });
  /** What the relay's row in `cdc_position` says. */
  let row = columnsOf(status.current);
  const saved = options.saved ?? { token: null, snapshot: null, origin: null, barrier: null, paused: null };
  const position = {
    stream: "shop.*",
    state: saved,
    save: (change: Partial<SavedState> = {}) => {
      const columns = columnsOf(reporter.reported());
      return cratedb.ask("save", () => {
        row = columns;
        position.state = { ...position.state, ...change };
      });
    },
  };
  const outdated = new Set(options.outdated);
  const reporter = new StatusReporter({
    status,
    report: () => position.save(),
    fail: (error) => stop.abort(error),
  });
  heartbeat.add(reporter);
  const deps = {
    causalReader,
    bulkReader: causalReader,
    reader,
    chunks: reader,
    splitter: { split: () => Promise.resolve([{ after: null, upTo: null }]) },
    tables,
    share: ALL_DOCUMENTS,
    between: () => Promise.resolve(),
    position,
    settings: {
      scope: new Scope({ databases: ["shop"], collections: ["*"], exclude: [] }),
      transform: [],
      for: () => ({ transform: [], key: "_id", onDrop: "drop" }),
      key: "_id",
      snapshot,
      snapshotLanes: 1,
      snapshotRate,
      onHistoryLost,
      startAt: options.startAt,
      onDrop: "drop",
      refreshInterval: SECOND,
      saveInterval: 200,
      lease: 10 * SECOND,
      fullDocument: "lookup",
    },
    goesOn: options.goesOn ?? false,
    outdated: {
      includes: ({ collection }: Namespace) => outdated.has(collection),
      planned: () => Promise.resolve(outdated.clear()),
    },
    signal: stop.signal,
    log: QUIET,
    emit,
    trace: UNTRACED,
    clock,
    mongodbClock: clock,
  };
  const running = { ended: undefined as { readonly error?: unknown } | undefined };
  const opened: (Uint8Array | BSON.Timestamp | null)[] = [];
  const open = (from: Uint8Array | BSON.Timestamp | null, left: AbortSignal) => {
    opened.push(from);
    return stream(left);
  };
  const stopped = follow(open, deps as unknown as LoopDeps).then(
    () => void (running.ended = {}),
    (error) => void (running.ended = { error }),
  );

  const settle = async () => {
    for (let turn = 0; turn < TURNS; turn++) await null;
  };
  return {
    clock,
    collections,
    mongodb,
    cratedb,
    reported,
    status,
    metrics,
    heartbeat,
    running,
    settle,
    /** Everything, as it is from now on: the databases' answers, and what follows from them. */
    async pass(milliseconds: number, { idle = true } = {}) {
      for (let left = milliseconds; left > 0; left -= SECOND) {
        clock.pass(Math.min(left, SECOND));
        if (idle && source.isIdle) push({});
        await settle();
        heartbeat.beat();
        await settle();
      }
    },
    get row() {
      return row;
    },
    get ready() {
      return readiness(status.current, MAX_LAG);
    },
    /** A batch of inserted documents, or of updated ones, which are looked up. */
    change(collection: string, operation: "insert" | "update" = "insert", count = 1) {
      const changes = Array.from({ length: count }, (_, _id): DocumentChange => {
        const { id, document } = keyed(_id);
        const namespace = { database: "shop", collection };
        return { namespace, id, operation, document: operation === "insert" ? document : undefined };
      });
      push({ changes, events: count, bytes: count, wallTime: clock.time });
    },
    /** A collection is dropped, and made again if it has documents. */
    drop(collection: string, documents?: number) {
      if (documents === undefined) collections.delete(collection);
      else collections.set(collection, documents);
      const namespace = { database: "shop", collection };
      const token = tokenOf(time());
      const event = { operation: "drop", namespace, to: undefined, unfollowed: false, token };
      push({ event, events: 1, bytes: 1, token, wallTime: clock.time });
    },
    idle: () => push({}),
    /** MongoDB no longer has the changes after the position. */
    async loseHistory() {
      const streams = opened.length;
      source.lose(new MongoServerError({ code: MongodbCode.ChangeStreamHistoryLost, message: "lost" }));
      for (let second = 0; opened.length === streams && !running.ended && second < 600; second++) {
        clock.pass(SECOND);
        await settle();
      }
      await settle();
    },
    /** The resume tokens or times that streams were opened with; null for now. */
    opened,
    position,
    /** Has the relay stop in order. */
    async stop() {
      stop.abort(new Error("told to stop"));
      wake();
      await settle();
      for (let second = 0; !running.ended && second < 60; second++) {
        clock.pass(SECOND);
        await settle();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const each of [mongodb, cratedb]) each.become("answers");
      await this.stop();
      await stopped;
    },
  };
}

export { type Mood, SECOND, START };
