import assert from "node:assert/strict";
import {
  advanceRange,
  beginCollection,
  collectionsLeft,
  finishCollection,
  fullSnapshot,
  isRepair,
  planSnapshot,
  rangesLeft,
  requeueAll,
  requeueSkipped,
  snapshotAtStart,
  type SnapshotPlan,
  type SnapshotState,
  stateOf,
  withoutCollections,
} from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import type { CollectionSettings } from "../../../../lib/pipeline/settings.ts";

const [A, B, C] = ["a", "b", "c"].map((collection) => ({ database: "shop", collection })) as [
  { database: string; collection: string },
  { database: string; collection: string },
  { database: string; collection: string },
];
const ALL = [A, B, C];

const state = (change: Partial<SnapshotState> = {}): SnapshotState => ({
  ...fullSnapshot({ removesStale: false }),
  ...change,
});

const onDrop = (onDrop: "keep" | "truncate") => ({ for: () => ({ onDrop }) as CollectionSettings });

const LEFT = [{ after: "0a", upTo: "0f" }, { after: "0f", upTo: null }];

const rangesOf = (plan: SnapshotPlan) => ALL.map((each) => rangesLeft(plan, each));

const requeue = (
  plan: SnapshotPlan,
  namespace: typeof A,
  options: { readonly keepsStale?: boolean } = {},
): SnapshotPlan => requeueAll(plan, [{ ...namespace, ...options }]);

Deno.test("planSnapshot() begins with all collections, and resumes with the unfinished ones", () => {
  assert.deepEqual(planSnapshot(state(), ALL).pending, ALL);
  const saved = state({ resumeAt: "shop.a", done: ["shop.b"], ranges: { "shop.c": LEFT }, documents: 7 });
  const plan = planSnapshot(saved, ALL);
  assert.deepEqual([plan.pending, rangesOf(plan), plan.documents], [[A, C], [undefined, undefined, LEFT], 7]);
});

Deno.test("planSnapshot() forgets the ranges of a dropped collection", () => {
  const plan = planSnapshot(state({ resumeAt: "shop.b", ranges: { "shop.b": LEFT } }), [A, C]);
  assert.deepEqual([plan.pending, plan.ranges], [[C], {}]);
});

Deno.test("planSnapshot() of nothing has nothing to do", () => {
  const plan = planSnapshot(null, ALL);
  assert.deepEqual([...collectionsLeft(plan)], []);
  assert.equal(stateOf(plan), null);
});

Deno.test("planSnapshot() keeps the ranges of a requeued collection, and has it once", () => {
  for (const resumeAt of [null, "shop.b"]) {
    const plan = planSnapshot(state({ resumeAt, ranges: { "shop.b": LEFT }, requeued: [B] }), [A, B]);
    assert.deepEqual([[...collectionsLeft(plan)], rangesLeft(plan, B)], [[B], LEFT]);
  }
});

Deno.test("finishCollection() goes through all collections, then those that were requeued", () => {
  let plan = requeue(planSnapshot(state(), ALL), B);
  const order: string[] = [];
  for (let [each] = collectionsLeft(plan); each; [each] = collectionsLeft(plan)) {
    order.push(each.collection);
    plan = finishCollection(plan, each);
  }
  assert.deepEqual(order, ["a", "c", "b"]);
  assert.equal(stateOf(plan), null);
});

Deno.test("finishCollection() of a later one is remembered until the earlier ones are done", () => {
  const plan = finishCollection(beginCollection(planSnapshot(state(), ALL), B, []), B);
  const saved = stateOf(plan);
  assert.deepEqual([saved?.resumeAt, saved?.done, saved?.ranges], ["shop.a", ["shop.b"], {}]);
  assert.ok(saved);
  assert.deepEqual(planSnapshot(saved, ALL).pending, [A, C]);
  const after = stateOf(finishCollection(plan, A));
  assert.deepEqual([after?.resumeAt, after?.done], ["shop.c", []]);
});

Deno.test("advanceRange() moves one range on, and drops it at its end", () => {
  const begun = beginCollection(planSnapshot(state(), ALL), B, LEFT);
  const first = { namespace: B, upTo: "0f" };
  const amid = advanceRange(begun, first, { last: "0c", seen: 2, done: false });
  assert.deepEqual([rangesLeft(amid, B), amid.documents], [[{ after: "0c", upTo: "0f" }, LEFT[1]], 2]);
  const past = advanceRange(amid, first, { last: "0f", seen: 3, done: true });
  assert.deepEqual([rangesLeft(past, B), past.documents], [[LEFT[1]], 5]);
  const end = advanceRange(past, { namespace: B, upTo: null }, { last: "ff", seen: 1, done: true });
  assert.deepEqual([rangesLeft(end, B), [...collectionsLeft(end)]], [[], ALL]);
});

Deno.test("advanceRange() leaves out a collection that is no longer there", () => {
  const plan = withoutCollections(beginCollection(planSnapshot(state(), ALL), B, LEFT), [B]);
  assert.equal(advanceRange(plan, { namespace: B, upTo: null }, { last: "ff", seen: 1, done: false }), plan);
});

Deno.test("requeueAll() has a collection read from its start, at the end, once", () => {
  const plan = planSnapshot(state({ resumeAt: "shop.b", ranges: { "shop.b": LEFT, "shop.c": LEFT } }), ALL);
  const again = requeue(requeue(plan, B), B);
  assert.deepEqual([again.pending, again.requeued], [[C], [B]]);
  assert.deepEqual(rangesOf(again), [undefined, undefined, LEFT]);
  assert.deepEqual(requeue(plan, A, { keepsStale: true }).requeued, [{ ...A, keepsStale: true }]);
  assert.deepEqual(rangesOf(requeue(plan, A)), [undefined, LEFT, LEFT]);
});

Deno.test("requeueAll() of two collections is as of one after the other", () => {
  const plan = planSnapshot(state({ ranges: { "shop.b": LEFT } }), ALL);
  assert.deepEqual(requeueAll(plan, [C, B]), requeue(requeue(plan, C), B));
});

Deno.test("requeueSkipped() keeps the rows of a dropped collection with --on-drop keep alone", () => {
  const plan = requeue(planSnapshot(state(), ALL), B, { keepsStale: true });
  const skipped = [{ ...B, skipped: true }, { ...C, skipped: true }];
  const kept = [{ ...B, keepsStale: true, skipped: true }, { ...C, skipped: true }];
  assert.deepEqual(requeueSkipped(plan, skipped, onDrop("keep")).requeued, kept);
  assert.deepEqual(requeueSkipped(plan, [B], onDrop("keep")).requeued, [{ ...B, keepsStale: true }]);
  assert.deepEqual(requeueSkipped(plan, skipped, onDrop("truncate")).requeued, skipped);
});

Deno.test("requeueAll() reads a collection once more that is done", () => {
  const plan = requeue(finishCollection(planSnapshot(state(), ALL), B), B);
  const saved = stateOf(plan);
  assert.ok(saved);
  assert.deepEqual([...collectionsLeft(planSnapshot(saved, ALL))], [A, C, B]);
});

Deno.test("withoutCollections() forgets the ranges only of that collection", () => {
  const plan = planSnapshot(state({ ranges: { "shop.a": LEFT, "shop.b": LEFT } }), ALL);
  assert.deepEqual(rangesOf(withoutCollections(plan, [B])), [LEFT, undefined, undefined]);
});

Deno.test("isRepair() is true for a snapshot that replaces changes", () => {
  assert.deepEqual([state(), state({ removesStale: true }), state({ requeued: [A] })].map(isRepair), [
    false,
    true,
    true,
  ]);
});

const SAVED = state({ resumeAt: "shop.b" });
const REPAIR = state({ requeued: [A] });
const FULL = (removesStale: boolean) => fullSnapshot({ removesStale });

/** The saved snapshot, --snapshot, hasToken, hadTables; the expected snapshot. */
const STARTS: readonly (readonly [
  SnapshotState | null,
  "initial" | "never" | "always" | "only",
  boolean,
  boolean,
  SnapshotState | null,
])[] = [
  [null, "initial", false, false, FULL(false)],
  [null, "initial", false, true, FULL(true)],
  [null, "initial", true, true, null],
  [SAVED, "initial", true, true, SAVED],
  [SAVED, "initial", false, false, SAVED],
  [null, "never", false, false, null],
  [SAVED, "never", true, true, null],
  [REPAIR, "never", true, true, REPAIR],
  [SAVED, "always", true, true, FULL(true)],
  [null, "only", false, false, FULL(false)],
  [null, "only", true, true, FULL(true)],
  [SAVED, "only", true, true, SAVED],
];

for (const [saved, mode, hasToken, hadTables, expected] of STARTS) {
  const what = `${saved ? "a saved snapshot" : "nothing"}, ${hasToken ? "a" : "no"} token, ${hadTables}`;
  Deno.test(`snapshotAtStart() with --snapshot ${mode} after ${what}`, () =>
    assert.deepEqual(snapshotAtStart(saved, mode, { hasToken, hadTables }), expected));
}
