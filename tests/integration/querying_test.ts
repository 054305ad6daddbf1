import assert from "node:assert/strict";
import { join } from "node:path";
import { BSON, type Document } from "mongodb";
import { normalizeJson } from "../../lib/mapping/normalize.ts";
import { inStep, wholeRows } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");

/** The statements of a page's SQL blocks, for another table. */
async function statementsOf(page: string, table: string): Promise<string[]> {
  const text = await Deno.readTextFile(join(ROOT, page));
  const blocks = [...text.matchAll(/```sql\n(.*?)```/gs)].map(([, block = ""]) => block);
  return blocks.flatMap((block) => block.split(/;\n+(?=[A-Z])|;\n+$/))
    .filter((statement) => statement.trim() !== "")
    .map((statement) => statement.replaceAll("cdc-testdrive", table));
}

cratedbTest("the documented SQL reads documents back whole", async (context) => {
  const { mongodb, database, relay, sql, table } = context;
  await relay().waitForLine(/Ready/);
  const data = mongodb.db(database).collection<Document>("data");
  const at = new Date("2024-07-12");
  await data.insertMany([
    { _id: "a", data: { temperature: 20.5 }, meta: { timestamp: at }, n: 1, o: { x: 1 }, list: [{ y: 1 }] },
    {
      _id: "b",
      data: { temperature: "warm" },
      meta: { timestamp: at },
      n: "one",
      o: {
        x: "1",
        "a.b": null,
        1: "one",
        2: [{ "#3": 1, _u_x: [null, { 4: 5 }] }, "x"],
        "😀": ["%", { "😀": 1 }],
      },
      "😀.": null,
      ["__proto__"]: { ["__proto__"]: [{ ["__proto__"]: "text" }, 1] },
    },
    {
      _id: "c",
      ["__proto__"]: { x: 1, "a.b": 2 },
      n: BSON.Long.MAX_VALUE,
      o: [1, "x", [2]],
      list: [{ y: null }, { y: 2 }],
      none: null,
    },
  ] as Document[]);
  await inStep(context);

  const statements = await statementsOf("docs/querying.md", table);
  assert.ok(statements.length >= 6);
  for (const statement of statements) await sql(statement);
  const documents = await sql(`SELECT oid, document::text AS document FROM "${table}-whole"`);
  assert.deepEqual(
    new Map(documents.map(({ oid, document }) => [String(oid), normalizeJson(String(document))])),
    await wholeRows(context),
  );
  await sql(`DROP VIEW "${table}-whole"`);
  await sql("DROP FUNCTION cdc_whole(OBJECT, OBJECT)");
});
