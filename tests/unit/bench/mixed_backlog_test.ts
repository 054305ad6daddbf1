import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { idOf } from "../../../dev/bench/documents.ts";
import { mixedBacklog } from "../../../dev/bench/mixed_backlog.ts";

const ROWS = 5_000;
const { bulks, outcome } = mixedBacklog(ROWS);
const operations = bulks.flat() as Document[];
const keyOf = ({ deleteOne, updateOne, replaceOne, insertOne }: Document): string =>
  String((deleteOne ?? updateOne ?? replaceOne)?.filter._id ?? insertOne.document._id);

Deno.test("mixedBacklog() tells what a collection has after its changes", () => {
  const seqs = new Map(Array.from({ length: ROWS }, (_, at) => [String(idOf(at + 1)), at + 1]));
  for (const operation of operations) {
    const { deleteOne, updateOne, replaceOne, insertOne } = operation;
    const key = keyOf(operation);
    assert.equal(seqs.has(key), insertOne === undefined, "each change is an event");
    if (deleteOne) seqs.delete(key);
    else seqs.set(key, updateOne?.update.$set.seq ?? replaceOne?.replacement.seq ?? insertOne?.document.seq);
  }
  const sum = seqs.values().reduce((sum, each) => sum + each, 0);
  assert.deepEqual(outcome, {
    changes: operations.length,
    rows: seqs.size,
    sum,
    last: Math.max(...seqs.values()),
  });
});

Deno.test("mixedBacklog() changes a few keys again and again", () => {
  const counts = Map.groupBy(operations.map(keyOf), (key) => key).values().map(({ length }) => length);
  const hot = [...counts].filter((count) => count >= 2 * bulks.length).length;
  assert.ok(hot >= 50 && hot <= 200, `${hot} hot keys`);
});
