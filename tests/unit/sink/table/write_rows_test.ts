import assert from "node:assert/strict";
import { writeRows } from "../../../../lib/sink/table/writer.ts";
import type { Row } from "../../../../lib/sink/table/row.ts";
import type { RefusedRow } from "../../../../lib/sink/table/upserts.ts";
import { jsonBytes } from "../../../../lib/util/json_writer.ts";

const data = jsonBytes("{}");
const row = (oid: string, geo: Uint8Array | null): Row => ({ oid, data, overflow: null, shadows: { geo } });

/** A table that refuses these keys with a shadow, and those without one too. */
function tableWithout(shadowed: readonly string[], all: readonly string[] = []) {
  const written: Row[][] = [];
  const upsert = (rows: readonly Row[]): Promise<RefusedRow[]> => {
    written.push([...rows]);
    const isRefused = ({ oid, shadows }: Row) => all.includes(oid) || shadows?.geo && shadowed.includes(oid);
    const refused = rows.filter(isRefused);
    return Promise.resolve(refused.map(({ oid }) => ({ oid, error: "no", reason: "no", kind: "refused" })));
  };
  return { written, upsert };
}

Deno.test("writeRows() writes a row that is refused with its shadows without them", async () => {
  const table = tableWithout(["a", "b"], ["b", "c"]);
  const { refused, unshadowed } = await writeRows(table, [
    row("a", data),
    row("b", data),
    row("c", null),
    row("d", data),
  ]);
  assert.deepEqual(refused.map(({ oid }) => oid).sort(), ["b", "c"]);
  assert.equal(unshadowed, 1);
  assert.deepEqual(table.written[1], [{ oid: "a", data, overflow: null }, {
    oid: "b",
    data,
    overflow: null,
  }]);
});

Deno.test("writeRows() writes once what is stored", async () => {
  const table = tableWithout([]);
  assert.deepEqual(await writeRows(table, [row("a", data)]), { refused: [], unshadowed: 0 });
  assert.deepEqual(await writeRows(table, []), { refused: [], unshadowed: 0 });
  assert.equal(table.written.length, 1);
});
