import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { bytesToHex } from "../../../../lib/bson/bson.ts";
import {
  besideSkipped,
  fullSnapshot,
  hasWritten,
  snapshotStateText,
} from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import type { SavedPosition } from "../../../../lib/sink/metadata/saved_position.ts";

const AT = new BSON.Timestamp({ t: 1_700_000_000, i: 3 });

const hex = (count: number) => count.toString(16).toUpperCase().padStart(8, "0");
/** Tokens of MongoDB 6.0: after an event, and after all events. */
const event = (t: number, i: number) => `82${hex(t)}${hex(i)}2B022C0100296E5A1004AA46645F696400`;
const afterAll = (t: number, i: number) => `82${hex(t)}${hex(i)}2B0229296E04`;

const position = (token: string | null, rest: Partial<SavedPosition> = {}): SavedPosition => ({
  stream: "shop.* -> …",
  token: token === null ? null : bytesToHex(BSON.serialize({ _data: token })),
  snapshot: null,
  barrier: null,
  isUpToDate: false,
  isHeld: true,
  ...rest,
});

const FULL = fullSnapshot({ removesStale: false });
const FILTERED = { id: "1", database: "a", collection: "b", filter: "{}", after: null, documents: 0 };

const { t } = AT;
const CASES: readonly (readonly [what: string, SavedPosition, boolean])[] = [
  ["a stream that was never followed", position(null), false],
  ["a position before it", position(afterAll(t, 2)), false],
  ["a position before it, with nothing waiting then", position(event(t, 2), { isUpToDate: true }), false],
  ["an event of that time, of a transaction perhaps", position(event(t, 3)), false],
  ["an event of that time, the last one", position(event(t, 3), { isUpToDate: true }), true],
  ["all of that time", position(afterAll(t, 3)), true],
  ["a later event", position(event(t, 4)), true],
  ["a later second", position(event(t + 1, 1)), true],
  [
    "a later second, during a snapshot",
    position(event(t + 1, 1), { snapshot: snapshotStateText(FULL) }),
    false,
  ],
  [
    "a later second, during a filtered snapshot",
    position(event(t + 1, 1), {
      snapshot: snapshotStateText({ ...FULL, resumeAt: null, filtered: [FILTERED] }),
    }),
    true,
  ],
];

for (const [what, saved, expected] of CASES) {
  Deno.test(`hasWritten() ${what}: ${expected}`, () => assert.equal(hasWritten(saved, AT), expected));
}

const COLLECTIONS: Readonly<
  Record<string, readonly [requeued: string, resumeAt: string, isBeside: boolean]>
> = {
  "a collection left out": ['{"database":"a","collection":"b","skipped":true}', "null", true],
  "a requeued collection": ['{"database":"a","collection":"b"}', "null", false],
  "one of each": [
    '{"database":"a","collection":"b"},{"database":"a","collection":"c","skipped":true}',
    "null",
    false,
  ],
  "a collection left out, and others to read": [
    '{"database":"a","collection":"b","skipped":true}',
    '"a.c"',
    false,
  ],
};

for (const [what, [requeued, resumeAt, isBeside]] of Object.entries(COLLECTIONS)) {
  Deno.test(`besideSkipped() ${isBeside ? "ignores" : "keeps"} the snapshot of ${what}`, () => {
    const snapshot =
      `{"resumeAt":${resumeAt},"done":[],"ranges":{},"removesStale":false,"documents":0,"requeued":[${requeued}]}`;
    const saved = position(event(t + 1, 1), { snapshot });
    assert.equal(hasWritten(saved, AT), false);
    assert.equal(hasWritten(besideSkipped(saved), AT), isBeside);
  });
}
