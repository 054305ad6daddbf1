import assert from "node:assert/strict";
import { parseSnapshotState, snapshotStateText } from "../../../../lib/pipeline/snapshot/saved_snapshot.ts";
import { fullSnapshot, type SnapshotState } from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { UserError } from "../../../../lib/util/errors.ts";

const [A, B, C] = [
  { database: "shop", collection: "a" },
  { database: "shop", collection: "b" },
  { database: "shop", collection: "c" },
];

const state = (change: Partial<SnapshotState> = {}): SnapshotState => ({
  ...fullSnapshot({ removesGone: false }),
  ...change,
});

const RANGES = [{ after: null, upTo: "0a" }, { after: "0c", upTo: "0f" }, { after: "0f", upTo: null }];

const STATES: readonly SnapshotState[] = [
  state(),
  state({ removesGone: true, resumeAt: "shop.b", documents: 12, ranges: { "shop.b": RANGES, "shop.c": [] } }),
  state({ resumeAt: "shop.a", done: ["shop.b", "shop.c"] }),
  state({
    resumeAt: null,
    requeued: [A, { ...B, keepsGone: true, skipped: true }],
    ranges: { "shop.a": RANGES },
  }),
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
    done: [],
    ranges: { "shop.b": [{ after: "1f", upTo: null }] },
    removesGone: true,
    documents: 3,
    requeued: [{ ...A, keepsGone: true }, C],
  });
});

Deno.test("parseSnapshotState() takes the key of version 0.1 for that of the requeued collection at hand", () => {
  const again = '[{"database":"shop","collection":"b"},{"database":"shop","collection":"c"}]';
  const parsed = parseSnapshotState(`{"from":null,"last":"1f","sweep":false,"copied":3,"again":${again}}`);
  assert.deepEqual(parsed.ranges, { "shop.b": [{ after: "1f", upTo: null }] });
});

Deno.test("snapshotStateText() has version 0.1 begin with the collection anew", () => {
  const text = snapshotStateText(state({ resumeAt: "shop.b", ranges: { "shop.b": RANGES } }));
  const { from, last, sweep, copied, again } = JSON.parse(text);
  assert.deepEqual([from, last, sweep, copied, again], ["shop.b", null, false, 0, []]);
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
  '{"from":"a","last":null,"sweep":false,"copied":0,"again":[],"done":[1]}',
  '{"from":"a","last":null,"sweep":false,"copied":0,"again":[],"ranges":[]}',
  '{"from":"a","last":null,"sweep":false,"copied":0,"again":[],"ranges":{"a":["1f",null]}}',
  '{"from":"a","last":null,"sweep":false,"copied":0,"again":[],"ranges":{"a":[["1f","xyz"]]}}',
  '{"from":"a","last":null,"sweep":false,"copied":0,"again":[],"ranges":{"a":[["1f"]]}}',
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
