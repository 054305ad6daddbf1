/** `plan` of a table that exists: what its settings name and it lacks, and `rebuild`, which gives it that. */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { fileOf } from "../support/designed_table.ts";

const DESIGNS: Readonly<
  Record<string, { readonly design: object; readonly shows: readonly RegExp[]; readonly code?: number }>
> = {
  "columns beside the data": {
    design: { types: { place: "geo_point" } },
    shows: [/ADD COLUMN geo .*"place" GEO_POINT/s, /Rows that exist have no values .*: rebuild (\S+)/],
  },
  "the column cdc": { design: { deletes: "soft" }, shows: [/ADD COLUMN "cdc" OBJECT\(STRICT\)/] },
  "other settings": {
    design: { shards: 2, with: { codec: "best_compression", refresh_interval: "5s" } },
    shows: [
      /other settings \(shards: 1, not 2; codec: .*, not best_compression; refresh_interval: .*, not 5s\).*: rebuild (\S+)/,
    ],
  },
  "another key, type and index": {
    design: {
      partitionBy: { month: "at" },
      types: { n: "text" },
      fulltext: { search: { columns: ["title"], analyzer: "english" } },
    },
    shows: [
      /^wrong .*not partitioned .*it has no INDEX "search" .*data\['n'\] is BIGINT, not TEXT/m,
      /run rebuild (\S+) with its options/,
    ],
    code: 4,
  },
};

for (const [what, { design, shows, code = 0 }] of Object.entries(DESIGNS)) {
  cratedbTest(`plan names what a table lacks, and rebuild gives it that: ${what}`, async (context) => {
    const { mongodb, database, sql } = context;
    const at = new Date("2026-01-02");
    const documents = [1, 2].map((n) => ({ _id: n, n, at, title: "runs", place: [n, 2] })) as Document[];
    await mongodb.db(database).collection("data").insertMany(documents);
    {
      await using plain = await fileOf(context, {});
      assert.equal((await plain.run("cdc-relay", "--snapshot", "only")).code, 0);
    }
    await using file = await fileOf(context, design);
    const planned = await file.run("plan");
    assert.equal(planned.code, code, planned.stdout);
    for (const pattern of shows) assert.match(planned.stdout, pattern);
    const collection = shows.map((each) => each.exec(planned.stdout)?.[1]).find(Boolean);
    assert.equal(collection ?? `${database}.data`, `${database}.data`);

    const rebuilt = await file.run("rebuild", `${database}.data`);
    assert.equal(rebuilt.code, 0, rebuilt.stderr);
    const again = await file.run("plan");
    assert.equal(again.code, 0);
    assert.doesNotMatch(again.stdout, /wrong|rebuild|ADD COLUMN/);
    assert.equal((await file.run("verify")).code, 0);
    if (what.startsWith("columns")) {
      await sql("REFRESH TABLE data");
      assert.deepEqual(await sql("SELECT oid FROM data WHERE geo['place'] IS NOT NULL ORDER BY oid"), [
        { oid: "1" },
        { oid: "2" },
      ]);
    }
  });
}
