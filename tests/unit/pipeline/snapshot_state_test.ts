import assert from "node:assert/strict";
import {
  currentCollection,
  finishCollection,
  fullSnapshot,
  isRepair,
  parseSnapshotState,
  planSnapshot,
  requeue,
  snapshotAtStart,
  type SnapshotState,
  snapshotStateText,
  stateOf,
  withoutCollection,
} from "../../../lib/pipeline/snapshot_state.ts";
import { UserError } from "../../../lib/util/errors.ts";

const [A, B, C] = ["a", "b", "c"].map((collection) => ({ database: "shop", collection })) as [
  { database: string; collection: string },
  { database: string; collection: string },
  { database: string; collection: string },
];
const ALL = [A, B, C];

const state = (change: Partial<SnapshotState> = {}): SnapshotState => ({
  ...fullSnapshot({ removesGone: false }),
  ...change,
});

Deno.test("planSnapshot() begins with the first collection, and goes on with the one that was at hand", () => {
  assert.deepEqual(planSnapshot(state(), ALL).pending, ALL);
  const plan = planSnapshot(state({ resumeAt: "shop.b", lastKey: "00", documents: 7 }), ALL);
  assert.deepEqual([plan.pending, plan.lastKey, plan.documents], [[B, C], "00", 7]);
});

Deno.test("planSnapshot() does not take the last key for that of another collection", () => {
  const plan = planSnapshot(state({ resumeAt: "shop.b", lastKey: "00" }), [A, C]);
  assert.deepEqual([plan.pending, plan.lastKey], [[C], null]);
});

Deno.test("planSnapshot() of nothing has nothing to do", () => {
  const plan = planSnapshot(undefined, ALL);
  assert.equal(currentCollection(plan), undefined);
  assert.equal(stateOf(plan), null);
});

Deno.test("planSnapshot() keeps the key of a requeued collection at hand", () => {
  const plan = planSnapshot(state({ resumeAt: null, lastKey: "00", requeued: [B] }), ALL);
  assert.deepEqual([currentCollection(plan), plan.lastKey], [B, "00"]);
});

Deno.test("finishCollection() goes through all collections, then those that were requeued", () => {
  let plan = requeue(planSnapshot(state(), ALL), B);
  const order: string[] = [];
  for (let each = currentCollection(plan); each; each = currentCollection(plan)) {
    order.push(each.collection);
    plan = finishCollection(plan);
  }
  assert.deepEqual(order, ["a", "c", "b"]);
  assert.equal(stateOf(plan), null);
});

Deno.test("requeue() has a collection read from its start, at the end, once", () => {
  const plan = planSnapshot(state({ resumeAt: "shop.b", lastKey: "00" }), ALL);
  const again = requeue(requeue(plan, B), B);
  assert.deepEqual([again.pending, again.requeued, again.lastKey], [[C], [B], null]);
  assert.deepEqual(requeue(plan, A, { keepsGone: true }).requeued, [{ ...A, keepsGone: true }]);
  assert.equal(requeue(plan, A).lastKey, "00");
});

Deno.test("withoutCollection() drops the key only of the collection at hand", () => {
  const plan = planSnapshot(state({ lastKey: "00", resumeAt: "shop.a" }), ALL);
  assert.deepEqual([withoutCollection(plan, B).lastKey, withoutCollection(plan, A).lastKey], ["00", null]);
});

const STATES: readonly SnapshotState[] = [
  state(),
  state({ removesGone: true, resumeAt: "shop.b", lastKey: "0a", documents: 12 }),
  state({ resumeAt: null, requeued: [A, { ...B, keepsGone: true }] }),
];

for (const each of STATES) {
  Deno.test(`parseSnapshotState() of snapshotStateText() is the same: ${snapshotStateText(each)}`, () =>
    assert.deepEqual(parseSnapshotState(snapshotStateText(each)), each));
}

Deno.test("parseSnapshotState() reads what version 0.1 has saved", () => {
  const text = '{"from":"shop.b","last":"1f","sweep":true,"copied":3,"again":[{"database":"shop",' +
    '"collection":"a","keeps":true},{"database":"shop","collection":"c","keeps":false}]}';
  assert.deepEqual(parseSnapshotState(text), {
    resumeAt: "shop.b",
    lastKey: "1f",
    removesGone: true,
    documents: 3,
    requeued: [{ ...A, keepsGone: true }, C],
  });
});

const DAMAGED = [
  "",
  "null",
  "[]",
  '"x"',
  "{",
  "{}",
  '{"from":"a","last":null,"sweep":false,"copied":0}',
  '{"from":1,"last":null,"sweep":false,"copied":0,"again":[]}',
  '{"from":"a","last":"xyz","sweep":false,"copied":0,"again":[]}',
  '{"from":"a","last":null,"sweep":"no","copied":0,"again":[]}',
  '{"from":"a","last":null,"sweep":false,"copied":0,"again":[{"database":"shop"}]}',
];

for (const text of DAMAGED) {
  Deno.test(`parseSnapshotState() says what is wrong with ${JSON.stringify(text)}, and what to do`, () =>
    assert.throws(() => parseSnapshotState(text), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /The snapshot of this stream cannot be read/);
      assert.match(error.hint ?? "", /Delete the row of this stream from cdc_position/);
      return true;
    }));
}

Deno.test("isRepair() is true for a snapshot that replaces changes", () => {
  assert.deepEqual([state(), state({ removesGone: true }), state({ requeued: [A] })].map(isRepair), [
    false,
    true,
    true,
  ]);
});

const SAVED = state({ resumeAt: "shop.b" });
const REPAIR = state({ requeued: [A] });
const FULL = (removesGone: boolean) => fullSnapshot({ removesGone });

/** What was saved, --snapshot, whether there is a token, whether there were tables; what is to be read. */
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
