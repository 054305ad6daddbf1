import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { idOf } from "../../../dev/bench/documents.ts";
import { mixedBacklog } from "../../../dev/bench/mixed_backlog.ts";

const ROWS = 5_000;
const bulks = mixedBacklog(ROWS);
const operations = bulks.flat() as Document[];
const keyOf = ({ deleteOne, updateOne, replaceOne, insertOne }: Document): string =>
  String((deleteOne ?? updateOne ?? replaceOne)?.filter._id ?? insertOne.document._id);

Deno.test("mixedBacklog() changes existing documents only, and `seq` grows with each change", () => {
  const keys = new Set(Array.from({ length: ROWS }, (_, at) => String(idOf(at + 1))));
  let last = ROWS;
  for (const operation of operations) {
    const { deleteOne, updateOne, replaceOne, insertOne } = operation;
    const key = keyOf(operation);
    assert.equal(keys.has(key), insertOne === undefined);
    if (deleteOne) keys.delete(key);
    else {
      keys.add(key);
      const seq = updateOne?.update.$set.seq ?? replaceOne?.replacement.seq ?? insertOne?.document.seq;
      assert.equal(seq, ++last);
    }
  }
});

Deno.test("mixedBacklog() changes a few keys repeatedly", () => {
  const counts = Map.groupBy(operations.map(keyOf), (key) => key).values().map(({ length }) => length);
  const hot = [...counts].filter((count) => count >= 2 * bulks.length).length;
  assert.ok(hot >= 50 && hot <= 200, `${hot} hot keys`);
});
