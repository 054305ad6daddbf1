/**
 * The replication loop between two databases in memory, with the real outage trackers, heartbeat, status, metrics and
 * progress bar's events. Time stands still until a test moves it on.
 */
import { BSON, MongoServerError } from "mongodb";
import { fieldsByName } from "../../lib/bson/bson.ts";
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
import type { ChangeBatch } from "../../lib/source/stream/change_stream.ts";
import type { DocumentChange } from "../../lib/source/stream/event.ts";
import { ALL_DOCUMENTS } from "../../lib/source/documents/share.ts";
import { Scope } from "../../lib/source/documents/scope.ts";
import { usableTables } from "./usable_tables.ts";
import { QUIET } from "../../lib/util/log.ts";
import { OutageTracker } from "../../lib/util/outage.ts";
import { retry } from "../../lib/util/retry.ts";
import { Shutdown } from "../../lib/util/shutdown.ts";
import { fakeClock, START } from "./fake_clock.ts";

/** What a database does with what it is asked. It refuses only what the relay does not insist on. */
export type Mood = "answers" | "fails" | "is silent" | "refuses";

export const MAX_LAG = 3_000;
export const SECOND = 1_000;
/** Documents of one chunk of a snapshot. */
const CHUNK = 5;
/** Promises that resolve one after the other until nothing happens any more. */
const TURNS = 400;

/** What may be refused: another relay may have made the column. */
const ADD_COLUMN = "add column";

const isAway = (error: unknown) => error instanceof Error && error.message === "away";

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

  const databaseOf = (system: "MongoDB" | "CrateDB") => {
    const outages = new OutageTracker({ system, emit, clock });
    status.watch(outages);
    let awake = Promise.withResolvers<void>();
    let mood: Mood = "answers";
    let only: string | undefined;
    const asked: string[] = [];
    /** One try. */
    const answer = async (question: string): Promise<void> => {
      asked.push(question);
      while (mood === "is silent" && (only ?? question) === question) await awake.promise;
      if (mood === "fails") throw new Error("away");
      if (mood === "refuses" && question === ADD_COLUMN) throw new Error("refused");
    };
    return {
      outages,
      asked,
      answer,
      /** @param question the only one that this is true of @default {all} */
      become(next: Mood, question?: string) {
        mood = next;
        only = question;
        awake.resolve();
        awake = Promise.withResolvers();
      },
      /** Asks until it gets an answer, like statements and reads. */
      ask: (question: string, work: () => void = () => {}) =>
        retry(() => answer(question).then(work), {
          shutdown,
          outages,
          isRetryable: isAway,
          retryFor: Infinity,
          clock,
        }),
    };
  };
  const mongodb = databaseOf("MongoDB");
  const cratedb = databaseOf("CrateDB");

  let ordinal = 0;
  const time = () => new BSON.Timestamp({ t: Math.floor(clock.time / SECOND), i: ++ordinal });
  const tokenOf = ({ t, i }: BSON.Timestamp) =>
    BSON.serialize({ _data: `82${t.toString(16).padStart(8, "0")}${i.toString(16).padStart(8, "0")}` });
  let readAt = time();

  const waiting: ChangeBatch[] = [];
  let arrived = Promise.withResolvers<void>();
  let lost: Error | undefined;
  const push = (batch: Partial<ChangeBatch>) => {
    const operationTime = time();
    const token = tokenOf(operationTime);
    waiting.push({
      changes: [],
      event: undefined,
      events: 0,
      bytes: 0,
      token,
      operationTime,
      wallTime: undefined,
      ...batch,
    });
    wake();
  };
  const wake = () => {
    arrived.resolve();
    arrived = Promise.withResolvers();
  };
  async function* stream(left: AbortSignal): AsyncGenerator<ChangeBatch> {
    const isOver = () => stop.signal.aborted || left.aborted;
    const over = new Promise<void>((resolve) => left.addEventListener("abort", () => resolve()));
    const id = Symbol();
    if (lost) waiting.splice(0);
    lost = undefined;
    const next = async () => {
      using _question = mongodb.outages.asked();
      await Promise.race([mongodb.answer("getMore"), over]);
      while (waiting.length === 0 && !isOver() && !lost) await Promise.race([arrived.promise, over]);
      await Promise.race([mongodb.answer("reply"), over]);
      if (lost) throw lost;
      return waiting.shift();
    };
    try {
      while (!isOver()) {
        try {
          const batch = await next();
          mongodb.outages.answered(id);
          if (batch) yield batch;
        } catch (error) {
          if (!isAway(error)) throw error;
          mongodb.outages.failed(id, error);
          await clock.wait(SECOND);
        }
      }
    } finally {
      mongodb.outages.gaveUp(id);
    }
  }

  const causalReader = {
    get time() {
      return readAt;
    },
    after: () => {},
    exists: async ({ collection }: Namespace) => {
      await mongodb.ask("exists");
      return collections.has(collection);
    },
    read: async (work: (client: unknown, options: object) => unknown) => {
      await mongodb.ask("read");
      readAt = time();
      return await work(client, {});
    },
  };
  const client = {
    db: () => ({
      listCollections: () => ({
        toArray: () => Promise.resolve([...collections.keys()].map((name) => ({ name }))),
      }),
      command: () => Promise.resolve({}),
      collection: (name: string) => ({
        estimatedDocumentCount: () => Promise.resolve(collections.get(name) ?? 0),
      }),
    }),
  };
  const reader = {
    chunk: async (
      { collection }: Namespace,
      { after }: { readonly after: Uint8Array | null },
      { atMost = Infinity }: { readonly atMost?: number } = {},
    ) => {
      await mongodb.ask("chunk");
      readAt = time();
      const from = after === null ? 0 : BSON.deserialize(after)._id + 1;
      const count = collections.get(collection) ?? 0;
      const upTo = Math.min(count, from + Math.min(CHUNK, atMost));
      const documents = Array.from({ length: upTo - from }, (_, at) => keyed(from + at));
      return {
        documents,
        last: upTo > from ? BSON.serialize({ _id: upTo - 1 }) : after,
        seen: documents.length,
        done: upTo === count,
      };
    },
    async *lookUp(_namespace: Namespace, ids: readonly unknown[]) {
      await mongodb.ask("look up");
      readAt = time();
      yield ids.map((id) => ({ id, document: null }));
    },
    keysOf: () => Promise.resolve(new Set<string>()),
    keysAmong: () => Promise.resolve([]),
  };

  const applierOf = (namespace: Namespace) => ({
    shardKey: [],
    async *deadKeys() {},
    learn: () => Promise.resolve(),
    apply: async (documents: readonly unknown[]) => {
      await cratedb.ask(ADD_COLUMN).catch(() => {});
      const rows = { upserts: documents.length, deletes: 0, overflowed: 0, deadLetters: 0 };
      await cratedb.ask("write", () => emit({ type: "tableWritten", namespace, ...rows }));
      return documents.length;
    },
    refresh: () => cratedb.ask("refresh"),
    remove: () => cratedb.ask("remove"),
    async *keys() {},
  });
  const tables = {
    ...usableTables(),
    overlaps: () => Promise.resolve([]),
    openAll: async () => {
      await cratedb.ask("open");
      return [];
    },
    of: (namespace: Namespace) => Promise.resolve(applierOf(namespace)),
    forEachCollection: async (
      changes: readonly DocumentChange[],
      work: (group: object) => Promise<void>,
    ) => {
      for (const [, group] of Map.groupBy(changes, ({ namespace }) => namespace.collection)) {
        const [first] = group;
        if (first) {
          await work({ namespace: first.namespace, changes: group, applier: applierOf(first.namespace) });
        }
      }
    },
    refresh: () => cratedb.ask("refresh"),
    drop: () => cratedb.ask("drop"),
    reopen: () => Promise.resolve(),
    sharer: () => Promise.resolve(undefined),
    missing: () => Promise.resolve([]),
    hadTables: () => Promise.resolve(false),
    resumeDrops: () => Promise.resolve(),
    openIn: () => [],
    counts: { upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 },
  };
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
        if (idle && waiting.length === 0) push({});
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
      lost = new MongoServerError({ code: MongodbCode.ChangeStreamHistoryLost, message: "lost" });
      wake();
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

function keyed(_id: number) {
  const document = BSON.serialize({ _id });
  const id = fieldsByName(document).get("_id");
  if (!id) throw new Error("No _id");
  return { id, document };
}

export { START };
