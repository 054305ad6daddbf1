import assert from "node:assert/strict";
import { BSON } from "mongodb";
import type { Column } from "../../../../lib/mapping/column_tree.ts";
import { fittingLetters } from "../../../../lib/pipeline/collections/dead_letters.ts";

const columnsOf = (...names: readonly string[]): Column => ({
  kind: "object",
  children: new Map(names.map((name) => [name, { kind: "bigint" }])),
});

Deno.test("fittingLetters() retries the letters that have values for new columns, once, and none at the opening", async () => {
  const done: string[] = [];
  const columns = { columns: columnsOf("a") };
  const retry = fittingLetters({
    columns,
    deadLetters: {
      async *read() {
        done.push("read");
        yield await Promise.resolve([
          { oid: "1", document: BSON.serialize({ a: 1 }) },
          { oid: "2", document: BSON.serialize({ a: 1, b: 2 }) },
          { oid: "3", unreadable: "too long" },
          { oid: "4", document: new Uint8Array([12, 0, 0, 0, 16, 0xff, 0, 1, 0, 0, 0, 0]) },
        ]);
      },
    },
  }, {
    retryDeadLetters: (oids) => Promise.resolve(done.push(`retry ${oids}`)),
    refresh: () => Promise.resolve(void done.push("refresh")),
  });
  await retry();
  assert.deepEqual(done, []);
  columns.columns = columnsOf("a", "b");
  await retry();
  await retry();
  assert.deepEqual(done, ["read", "retry 2", "refresh"]);
});
