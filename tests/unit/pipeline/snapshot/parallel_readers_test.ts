/** A snapshot of collections in memory, by parallel chunk readers. */
import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { fieldsByName } from "../../../../lib/bson/bson.ts";
import { keyText } from "../../../../lib/key/key_text.ts";
import type { Namespace } from "../../../../lib/util/namespace.ts";
import { Snapshot, type SnapshotDeps } from "../../../../lib/pipeline/snapshot/snapshot.ts";
import {
  fullSnapshot,
  parseSnapshotState,
  planSnapshot,
  type SnapshotState,
  snapshotStateText,
} from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { UnusableTableError } from "../../../../lib/sink/table/unusable_table.ts";
import type { Chunk } from "../../../../lib/source/documents/chunk.ts";
import { ALL_DOCUMENTS } from "../../../../lib/source/documents/share.ts";
import type { KeyRange } from "../../../../lib/source/documents/key_ranges.ts";
import type { CollectionSettings } from "../../../../lib/pipeline/settings.ts";
import { on } from "../../../../lib/pipeline/status/events.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { usableTables } from "../../../support/usable_tables.ts";

const CHUNK = 5;
const namespaceOf = (collection: string): Namespace => ({ database: "shop", collection });

function keyed(_id: number) {
  const document = BSON.serialize({ _id });
  const id = fieldsByName(document).get("_id");
  assert.ok(id);
  return { id, document };
}

const numberIn = (key: Uint8Array | null): number => key === null ? NaN : Number(BSON.deserialize(key)._id);

interface Setting {
  /** The numbers of documents of collections, and the keys at which they are divided. */
  readonly collections: Readonly<Record<string, readonly [count: number, bounds: readonly number[]]>>;
  readonly readers?: number;
  readonly rate?: number;
  readonly removesStale?: boolean;
  /** The number of chunks after which the program stops. */
  readonly stopAfter?: number;
  /** Fails as the position is saved. */
  readonly saveError?: Error;
  readonly onDrop?: CollectionSettings["onDrop"];
  readonly saved?: SnapshotState | undefined;
}

/** A snapshot whose clock moves only by `pass`. */
function snapshotOf(setting: Setting) {
  const { collections, readers = 4, rate = 0, removesStale = false, stopAfter = Infinity, saved } = setting;
  const stop = new AbortController();
  const read: string[] = [];
  const applied: string[] = [];
  const removals: string[] = [];
  const splits: string[] = [];
  const states: (SnapshotState | null)[] = [];
  let [now, reading, most, telling, chunks, documents] = [1_000_000, 0, 0, 0, 0, 0];
  const turn = () => new Promise<void>((done) => setTimeout(done));
  const chunk = async (
    { collection }: Namespace,
    { after, upTo }: KeyRange,
    { atMost = Infinity }: { atMost?: number } = {},
  ): Promise<Chunk> => {
    most = Math.max(most, ++reading);
    await turn();
    reading--;
    const [count = 0] = collections[collection] ?? [];
    const left = Array.from({ length: count }, (_, n) => n)
      .filter((n) => !(n <= numberIn(after)) && !(n > numberIn(upTo)));
    const documents = left.slice(0, Math.min(CHUNK, atMost));
    read.push(...documents.map((n) => `${collection} ${n}`));
    const last = documents.at(-1);
    return {
      documents: documents.map(keyed),
      last: last === undefined ? after : BSON.serialize({ _id: last }),
      seen: documents.length,
      done: documents.length === left.length,
    };
  };
  const applierOf = ({ collection }: Namespace) => ({
    shardKey: [],
    async *deadKeys() {},
    apply: async (changes: Chunk["documents"]) => {
      await turn();
      applied.push(...changes.map(({ id }) => `${collection} ${keyText(id)}`));
      return changes.length;
    },
    refresh: async () => {},
    remove: (keys: readonly string[]) =>
      Promise.resolve(void removals.push(...keys.map((key) => `${collection} ${key}`))),
    async *keys() {
      // The rows are removed after the last document of the collection.
      const [count = 0] = collections[collection] ?? [];
      const rows = applied.filter((each) => each.startsWith(`${collection} `)).length;
      yield [rows === count ? "-1" : "removed too early"];
    },
  });
  const usable = usableTables();
  const deps = {
    chunks: { chunk },
    reader: {
      keysOf: () => Promise.resolve(new Set<string>()),
      keysAmong: () => Promise.resolve([]),
    },
    causalReader: { exists: ({ collection }: Namespace) => Promise.resolve(collection in collections) },
    splitter: {
      split: async (namespace: Namespace) => {
        await turn();
        splits.push(namespace.collection);
        const [, bounds = []] = collections[namespace.collection] ?? [];
        const ends = bounds.map((_id) => BSON.serialize({ _id }));
        return [...ends, null].map((upTo, at) => ({ after: ends[at - 1] ?? null, upTo }));
      },
    },
    tables: {
      ...usable,
      of: (namespace: Namespace) => Promise.resolve(applierOf(namespace)),
      sharer: () => Promise.resolve(undefined),
    },
    share: ALL_DOCUMENTS,
    settings: {
      for: () => ({ onDrop: setting.onDrop ?? "truncate" }),
      snapshotLanes: readers,
      snapshotRate: rate,
    },
    signal: stop.signal,
    log: QUIET,
    clock: { now: () => now, monotonic: () => now, wait: () => Promise.reject(new Error("It waits")) },
    emit: on({ snapshotProgress: (progress) => documents = progress.documents }),
    filtered: { left: [], limit: () => {} },
    isDue: true,
    total: 0,
    countOf: ({ collection }: Namespace) => Promise.resolve(collections[collection]?.[0] ?? 0),
    lagSeconds: () => 0,
    onChunkApplied: async () => {
      assert.equal(telling++, 0, "told twice at once");
      await turn();
      telling--;
      if (setting.saveError) throw setting.saveError;
      states.push(snapshot.state);
      if (++chunks >= stopAfter) stop.abort();
    },
  };
  const namespaces = Object.keys(collections).map(namespaceOf);
  const plan = planSnapshot(saved ?? fullSnapshot({ removesStale }), namespaces);
  const snapshot = new Snapshot(plan, deps as unknown as SnapshotDeps);
  return {
    snapshot,
    usable,
    read,
    applied,
    removals,
    splits,
    states,
    most: () => most,
    documents: () => documents,
    pass: (milliseconds: number) => now += milliseconds,
  };
}

const all = (collections: Setting["collections"]): string[] =>
  Object.entries(collections)
    .flatMap(([name, [count]]) => Array.from({ length: count }, (_, n) => `${name} ${n}`)).sort();

const ONE = { a: [100, [19, 39, 59, 79]] } as const;
const NEVER = { removesStale: false };
const SEVERAL = { a: [40, [9, 19, 29]], b: [3, []], c: [0, []], d: [25, [11]] } as const;

for (
  const [collections, readers, most] of [[ONE, 1, 1], [ONE, 4, 4], [SEVERAL, 4, 4], [SEVERAL, 2, 2]] as const
) {
  Deno.test(`Snapshot reads each document of ${Object.keys(collections)} once with ${readers} chunk readers`, async () => {
    const made = snapshotOf({ collections, readers });
    await made.snapshot.runSlice();
    assert.deepEqual(made.applied.toSorted(), all(collections));
    assert.deepEqual(made.read.toSorted(), all(collections));
    assert.equal(made.most(), most);
    assert.equal(made.snapshot.pending, false);
    assert.equal(made.snapshot.state, null);
    assert.equal(made.documents(), all(collections).length);
  });
}

for (let stopAfter = 1; stopAfter < 26; stopAfter += 2) {
  Deno.test(`Snapshot resumes each range after ${stopAfter} chunks`, async () => {
    const collections = { ...SEVERAL, e: [60, [29]] } as const;
    const first = snapshotOf({ collections, stopAfter, removesStale: true });
    await first.snapshot.runSlice();
    const { state } = first.snapshot;
    assert.ok(state);
    assert.equal(state.documents, first.applied.length);
    const saved = parseSnapshotState(snapshotStateText(state));
    const second = snapshotOf({ collections, saved });
    await second.snapshot.runSlice();
    assert.equal(second.snapshot.pending, false);
    assert.deepEqual([...first.applied, ...second.applied].toSorted(), all(collections));
    assert.deepEqual(second.splits.filter((each) => `shop.${each}` in state.ranges), []);
  });
}

for (const stopAfter of [1, 5, 9, 14, 19]) {
  Deno.test(`Snapshot loses nothing if it is killed after state ${stopAfter} was saved`, async () => {
    const first = snapshotOf({ collections: SEVERAL });
    await first.snapshot.runSlice();
    const saved = first.states[stopAfter - 1];
    const applied = saved ? first.applied : [];
    const second = snapshotOf({ collections: SEVERAL, saved: saved ?? undefined });
    await second.snapshot.runSlice();
    assert.deepEqual([...new Set([...applied, ...second.applied])].sort(), all(SEVERAL));
    assert.equal(second.documents(), all(SEVERAL).length);
  });
}

Deno.test("Snapshot removes rows after all chunk readers have read a collection to its end", async () => {
  const made = snapshotOf({ collections: SEVERAL, removesStale: true });
  await made.snapshot.runSlice();
  assert.deepEqual(made.removals.toSorted(), ["a -1", "b -1", "c -1", "d -1"]);
});

Deno.test("Snapshot stops reading a requeued collection that is dropped", async () => {
  const made = snapshotOf({ collections: ONE });
  made.snapshot.requeue(namespaceOf("gone"));
  await made.snapshot.runSlice();
  assert.deepEqual([made.applied.length, made.snapshot.pending, made.splits], [100, false, ["a"]]);
});

Deno.test("Snapshot reads a collection from its start that is requeued amid its ranges", async () => {
  const stop = snapshotOf({ collections: ONE, stopAfter: 6 });
  await stop.snapshot.runSlice();
  assert.ok(stop.snapshot.state);
  const made = snapshotOf({ collections: ONE, saved: stop.snapshot.state });
  made.snapshot.requeue(namespaceOf("a"));
  await made.snapshot.runSlice();
  assert.deepEqual(made.applied.toSorted(), all(ONE));
});

Deno.test("Snapshot throws when a chunk reader fails, and keeps what the others have done", async () => {
  const made = snapshotOf({ collections: ONE });
  const failure = new Error("lost");
  const { snapshot } = made;
  const push = made.applied.push.bind(made.applied);
  made.applied.push = (...texts) => {
    if (texts.includes("a 25")) throw failure;
    return push(...texts);
  };
  await assert.rejects(snapshot.runSlice(), failure);
  assert.equal(made.documents(), made.applied.length);
  assert.ok(snapshot.state?.ranges["shop.a"]?.some(({ after }) => after !== null));
});

Deno.test("Snapshot reads no more than the rate allows, and waits in no slice", async () => {
  const made = snapshotOf({ collections: ONE, rate: 40 });
  const slices: number[] = [];
  for (let slice = 0; made.snapshot.pending; slice++) {
    await made.snapshot.runSlice();
    slices.push(made.applied.length);
    // A slice that begins too early reads nothing.
    await made.snapshot.runSlice();
    assert.equal(made.applied.length, slices.at(-1));
    made.pass(250);
  }
  assert.deepEqual(made.applied.toSorted(), all(ONE));
  assert.ok(slices.every((documents, at) => documents <= 10 * (at + 1)), slices.join());
  assert.ok(slices.length <= 13, slices.join());
});

Deno.test("Snapshot does not read a skipped collection, and saves that it must be read", async () => {
  const first = snapshotOf({ collections: SEVERAL, stopAfter: 3 });
  await first.snapshot.runSlice();
  assert.ok(first.snapshot.state?.ranges["shop.a"]);

  const second = snapshotOf({ collections: SEVERAL, saved: first.snapshot.state });
  second.usable.skip({ ...namespaceOf("a"), keepsStale: true });
  await second.snapshot.runSlice();
  assert.equal(second.snapshot.pending, false);
  assert.deepEqual(second.applied.filter((each) => each.startsWith("a ")), []);
  const { state } = second.snapshot;
  assert.deepEqual(state?.requeued, [{ ...namespaceOf("a"), keepsStale: true, skipped: true }]);
  assert.deepEqual(state?.ranges, {});

  const third = snapshotOf({
    collections: SEVERAL,
    saved: parseSnapshotState(snapshotStateText(state)),
  });
  third.usable.skip({ ...namespaceOf("a"), keepsStale: true });
  assert.equal(third.snapshot.pending, false);
  third.usable.unskip(namespaceOf("a"));
  third.snapshot.requeueSkipped({ ...namespaceOf("a"), keepsStale: true });
  await third.snapshot.runSlice();
  assert.deepEqual(third.applied.toSorted(), all({ a: SEVERAL.a }));
  assert.deepEqual([third.removals, third.snapshot.state], [[], null]);
});

for (const first of ["dropped and created again", "skipped"]) {
  Deno.test(`Snapshot keeps rows with --on-drop keep if a collection is first ${first}, also over a restart`, async () => {
    const A = namespaceOf("a");
    const collections = { a: SEVERAL.a };
    const made = snapshotOf({
      collections,
      onDrop: "keep",
      saved: { ...fullSnapshot(NEVER), resumeAt: null },
    });
    const steps = [
      () => made.snapshot.requeueAfterDrop(A),
      () => made.usable.skip(A),
    ];
    for (const step of first === "skipped" ? steps.toReversed() : steps) step();
    const kept = [{ ...A, keepsStale: true, skipped: true }];
    assert.deepEqual(made.snapshot.state?.requeued, kept);

    const next = snapshotOf({ collections, onDrop: "keep", saved: made.snapshot.state });
    next.usable.skip(A);
    assert.deepEqual(next.snapshot.state?.requeued, kept);
    next.usable.unskip(A);
    next.snapshot.requeueSkipped(A);
    assert.deepEqual(next.snapshot.state?.requeued, [{ ...A, keepsStale: true }]);
    await next.snapshot.runSlice();
    assert.deepEqual([next.removals, next.snapshot.state], [[], null]);
  });
}

for (const [removesStale, collections] of [[false, ONE], [true, { a: [0, []] }]] as const) {
  const what = removesStale ? "finished" : "read";
  Deno.test(`Snapshot skips no collection if the position cannot be saved when it is ${what}`, async () => {
    const saveError = new SinkError('Relation "public"."cdc_position" unknown', { code: "42P01" });
    const { snapshot, usable } = snapshotOf({ collections, removesStale, saveError });
    await assert.rejects(snapshot.runSlice(), saveError);
    assert.deepEqual(usable.skipped, []);
  });
}

for (const text of ["a 0", "a 45"]) {
  Deno.test(`Snapshot skips a collection whose table cannot be used for ${text}, by all chunk readers`, async () => {
    const made = snapshotOf({ collections: ONE });
    const push = made.applied.push.bind(made.applied);
    made.applied.push = (...texts) => {
      if (texts.includes(text)) throw new UnusableTableError("a column below overflow");
      return push(...texts);
    };
    await made.snapshot.runSlice();
    assert.deepEqual(made.snapshot.state?.requeued, [{ ...namespaceOf("a"), skipped: true }]);
    assert.equal(made.snapshot.pending, false);
  });
}
