import assert from "node:assert/strict";
import { coalesce, mayHaveMoved, type RowChange } from "../../../../lib/pipeline/collections/row_changes.ts";

const to = (oid: string, version: number): RowChange => ({ oid, document: Uint8Array.of(version) });
const gone = (oid: string): RowChange => ({ oid, document: null });

const CASES: readonly (readonly [string, readonly RowChange[], readonly RowChange[]])[] = [
  ["nothing", [], []],
  ["different keys", [to("a", 1), to("b", 1)], [to("a", 1), to("b", 1)]],
  ["many versions of one key", [to("a", 1), to("a", 2), to("a", 3)], [to("a", 3)]],
  ["a document that came and went", [to("a", 1), gone("a")], [gone("a")]],
  ["a document that went and came", [gone("a"), to("a", 2)], [to("a", 2)]],
];

for (const [what, changes, expected] of CASES) {
  Deno.test(`coalesce() of ${what}`, () => assert.deepEqual(coalesce(changes), expected));
}

Deno.test("coalesce() keeps one change of each key, the last", () => {
  const changes = [to("a", 1), to("b", 2), gone("a"), to("c", 3), to("b", 4)];
  const byKey = new Map(coalesce(changes).map((change) => [change.oid, change]));
  assert.equal(byKey.size, coalesce(changes).length);
  assert.deepEqual(byKey, new Map([["a", gone("a")], ["b", to("b", 4)], ["c", to("c", 3)]]));
});

Deno.test("coalesce() puts a key where its last change was", () => {
  assert.deepEqual(coalesce([to("a", 1), to("b", 2), gone("a")]), [to("b", 2), gone("a")]);
});

Deno.test("coalesce() with marks: a delete has the last document before it", () => {
  const marks = (...changes: RowChange[]) => coalesce(changes, { marks: true });
  assert.deepEqual(marks(to("a", 1), to("a", 2), gone("a")), [{ ...gone("a"), before: to("a", 2) }]);
  assert.deepEqual(marks(to("a", 1), gone("a"), gone("a")), [{ ...gone("a"), before: to("a", 1) }]);
  assert.deepEqual(marks(gone("a")), [gone("a")]);
  assert.deepEqual(marks(to("a", 1), gone("a"), to("a", 3)), [to("a", 3)]);
  const refused = { ...gone("a"), refusal: "no transform" };
  assert.deepEqual(marks(to("a", 1), refused), [refused]);
});

Deno.test("mayHaveMoved() are rows of inserts, too, if a deleted row may have stayed", () => {
  const row = { oid: "a", data: new Uint8Array(), overflow: null };
  const moved = (
    deletes: "hard" | "soft" | "keep",
    onDrop: "drop" | "keep" = "drop",
    isFollowing?: () => boolean,
  ) =>
    mayHaveMoved([row], [{ ...to("a", 1), isNew: true }], {
      partitioning: { unit: "month", path: ["at"] },
      shardKey: [],
      settings: { deletes, onDrop },
      isFollowing,
    }).length;
  assert.deepEqual([moved("hard"), moved("soft"), moved("keep")], [0, 1, 1]);
  assert.equal(moved("hard", "keep"), 1);
  // A snapshot has not removed stale rows yet.
  assert.equal(moved("hard", "drop", () => false), 1);
});
