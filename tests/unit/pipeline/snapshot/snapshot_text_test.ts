import assert from "node:assert/strict";
import {
  fullSnapshot,
  parseSnapshotState,
  type SnapshotState,
  snapshotStateText,
} from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { UserError } from "../../../../lib/util/errors.ts";

const [A, B] = [
  { database: "shop", collection: "a" },
  { database: "shop", collection: "b" },
];

const state = (change: Partial<SnapshotState> = {}): SnapshotState => ({
  ...fullSnapshot({ removesStale: false }),
  ...change,
});

const RANGES = [{ after: null, upTo: "0a" }, { after: "0c", upTo: "0f" }, { after: "0f", upTo: null }];

const STATES: readonly SnapshotState[] = [
  state(),
  state({
    removesStale: true,
    resumeAt: "shop.b",
    documents: 12,
    ranges: { "shop.b": RANGES, "shop.c": [] },
  }),
  state({ resumeAt: "shop.a", done: ["shop.b", "shop.c"] }),
  state({
    resumeAt: null,
    requeued: [A, { ...B, keepsStale: true, skipped: true }],
    ranges: { "shop.a": RANGES },
  }),
];

for (const each of STATES) {
  Deno.test(`parseSnapshotState() of snapshotStateText() is the same: ${snapshotStateText(each)}`, () =>
    assert.deepEqual(parseSnapshotState(snapshotStateText(each)), each));
}

const saved = (change: object) => JSON.stringify({ ...state(), ...change });

const DAMAGED = [
  "",
  "null",
  "[]",
  '"x"',
  "{",
  "{}",
  saved({ resumeAt: undefined }),
  saved({ resumeAt: 1 }),
  saved({ removesStale: "no" }),
  saved({ documents: "3" }),
  saved({ requeued: [{ database: "shop" }] }),
  saved({ done: [1] }),
  saved({ ranges: [] }),
  saved({ ranges: { a: ["1f", null] } }),
  saved({ ranges: { a: [{ after: "1f", upTo: "xyz" }] } }),
  saved({ ranges: { a: [{ after: "1f" }] } }),
];

for (const text of DAMAGED) {
  Deno.test(`parseSnapshotState() refuses ${JSON.stringify(text)}, with a hint`, () =>
    assert.throws(() => parseSnapshotState(text), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /The snapshot of this stream cannot be read/);
      assert.match(error.hint ?? "", /Delete the row of this stream from cdc_position/);
      return true;
    }));
}
