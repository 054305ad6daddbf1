import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, faultTest } from "../support/cratedb_harness.ts";
import { variants } from "../support/nightly.ts";

/** CrateDB numbers its columns; if it does not show the numbers, they are among these. */
const NUMBERS = Array.from({ length: 400 }, (_, at) => `${1 + at}`);

/** The numbers of the table's columns, as far as the stored rows have them for names. */
async function numbersOf({ sql, schema, table }: CratedbContext): Promise<string[]> {
  const rows = await sql(`SELECT _raw FROM "${schema}"."${table}" WHERE oid >= ''`);
  return rows.flatMap(({ _raw }) =>
    [...String(_raw).matchAll(/"([1-9]\d*)":/g)].map(([, number = ""]) => number)
  );
}

for (const columns of variants(["ignored"], ["typed"])) {
  faultTest(
    `relay() with --columns ${columns} keeps names that CrateDB takes for its own or cannot read again, also when CrateDB recovers`,
    async (context) => {
      const { mongodb, database, relay, cratedbServer } = context;
      const data = mongodb.db(database).collection<Document>("data");
      await data.insertOne({ _id: 0, a: 1, o: { b: 2 }, l: [{ c: 3 }] } as Document);
      const running = relay(["--columns", columns]);
      await running.waitForLine(/Ready/);
      await inStep(context);

      const names = [...new Set([...NUMBERS, ...await numbersOf(context)])];
      const numbered = Object.fromEntries(names.map((name) => [name, name]));
      const own = { _u_: 1, _u_x: "x", "#1": 1, "##_u_": { "1": 2, "#1": 3 } };
      const astral = { "😀": 1, "a😀": { "%😀": [{ "😀": null }] }, "#u:x": 1, "#u:😀": 2 };
      await data.insertMany(
        [
          // No column takes a dot in a name, so that what is below goes to overflow.
          { _id: 1, a: { ...numbered, "1": [{ "1": 1, "2": [{ "3": null }] }] }, "o.o": numbered },
          { _id: 2, a: own, o: { "b.b": own, b: [own] }, l: "text" },
          { _id: 3, ...own, "_u_.": own, "1": 1, "2": "two" },
          { _id: 4, ...astral, "o.😀": astral, o: [astral], "e😀": [null] },
        ] as Document[],
      );
      await inStep(context);
      await cratedbServer.kill();
      await cratedbServer.restore();
      await inStep(context);
      assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    },
  );
}
