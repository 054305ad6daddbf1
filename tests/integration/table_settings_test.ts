/** What a server refuses of a table's design, and the indexes, settings and shards of new tables. */
import assert from "node:assert/strict";
import { run } from "../support/program.ts";
import { cratedbTest, transports } from "../support/cratedb_harness.ts";
import { fileOf, versionOf } from "../support/designed_table.ts";

interface Numbered extends Record<string, unknown> {
  readonly _id: number;
}

const REFUSALS: Readonly<Record<string, { design: object; before?: object; is: RegExp; below?: number }>> = {
  "NUMERIC before 5.9": {
    design: { types: { n: "numeric(5)" } },
    is: /lacks NUMERIC columns.*CrateDB 5\.9 has it/s,
    below: 5.09,
  },
  "UUID before 6.2": {
    design: { types: { n: "uuid" } },
    is: /lacks the type UUID.*CrateDB 6\.2 has it/s,
    below: 6.02,
  },
  "a column of another type": {
    before: {},
    design: { types: { t: { text: { index: "off" } } } },
    is: /data\['t'\] is TEXT, not TEXT INDEX OFF/,
  },
  "a full-text index that a table lacks": {
    before: { types: { t: { text: { index: "off" } } } },
    design: {
      types: { t: { text: { index: "off" } } },
      fulltext: { search: { columns: ["t"], analyzer: "english" } },
    },
    is: /it has no INDEX "search" USING FULLTEXT \(data\['t'\]\)/,
  },
  "an unknown analyzer": {
    design: { fulltext: { search: { columns: ["t"], analyzer: "klingon" } } },
    is: /klingon/,
  },
  "an unknown setting": { design: { with: { codeck: "best" } }, is: /codeck/ },
  "a value of a setting": { design: { with: { codec: "it's" } }, is: /it's/ },
};

for (const [what, { design, before, is, below = Infinity }] of Object.entries(REFUSALS)) {
  cratedbTest(`a relay refuses ${what}`, async (context) => {
    if (await versionOf(context) >= below) return;
    const { mongodb, database } = context;
    await mongodb.db(database).collection("data").insertOne({ t: "text" });
    if (before) {
      await using file = await fileOf(context, before);
      assert.equal((await file.run("cdc-relay", "--snapshot", "only", "--fail-fast")).code, 0);
    }
    for (const transport of transports) {
      await using file = await fileOf(context, design, transport);
      if (below < Infinity) {
        const checked = await file.run("check");
        assert.equal(checked.code, 4, checked.stderr);
        assert.match(checked.stdout, is);
      }
      const { code, stderr } = await file.run("cdc-relay", "--snapshot", "only", "--fail-fast");
      assert.equal(code, 1, stderr);
      assert.match(stderr, is);
      assert.doesNotMatch(stderr, /\n +at /);
    }
  });
}

cratedbTest("full-text indexes and table settings are those of the file", async (context) => {
  const { mongodb, database, sql } = context;
  const body = "running ".repeat(5_000);
  await mongodb.db(database).collection<Numbered>("data").insertMany([
    { _id: 1, title: "Shoes", body },
    { _id: 2, title: "Runs", tags: ["walks"], body: 5 },
  ]);
  await using file = await fileOf(context, {
    types: { body: { text: { index: "off" } } },
    fulltext: { search: { columns: ["title", "body", "tags[]"], analyzer: "english" } },
    with: { "codec": "best_compression", "mapping.total_fields.limit": 500 },
  });
  for (let runs = 0; runs < 2; runs++) {
    assert.equal((await file.run("cdc-relay", "--snapshot", "only", "--fail-fast")).code, 0);
  }
  const found = async (word: string) =>
    (await sql("SELECT oid FROM data WHERE MATCH(search, ?) ORDER BY oid", [word])).map(({ oid }) => oid);
  assert.deepEqual([await found("run"), await found("walk")], [["1", "2"], ["2"]]);
  assert.equal((await file.run("verify")).code, 0);
  const [{ definition = "" } = {}] = (await sql("SHOW CREATE TABLE data")).map((row) => ({
    definition: String(Object.values(row)[0]),
  }));
  assert.match(definition, /codec = 'best_compression'.*"mapping\.total_fields\.limit" = 500/s);
});

cratedbTest("a small table has one shard for each node, another as its settings say", async (context) => {
  const { mongodb, database, sql } = context;
  await mongodb.db(database).collection("data").insertOne({ a: 1 });
  const { code, stderr } = await run(
    [
      "cdc-relay",
      "--database",
      database,
      "--collection",
      "data",
      "--table",
      `${context.schema}.small`,
      "--snapshot",
      "only",
    ],
    { env: { MONGODB_URL: context.mongodbUrl, CRATEDB_URL: context.wireUrl } },
  );
  assert.equal(code, 0, stderr);
  const shards = await sql(
    "SELECT number_of_shards AS shards FROM information_schema.tables WHERE table_name = 'small' AND table_schema = ?",
    [context.schema],
  );
  assert.deepEqual(shards, [{ shards: 1 }]);
});
