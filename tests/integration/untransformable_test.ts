/** What a transform must not let through, and documents that it fails on. */
import assert from "node:assert/strict";
import type { Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { rows, seen } from "../support/table_rows.ts";
import { nightly } from "../support/nightly.ts";

const collectionOf = ({ mongodb, database }: CratedbContext) =>
  mongodb.db(database).collection<Document>("data");

cratedbTest("relay() leaves out what --omit names, wherever it would be", async (context) => {
  const { sql, schema, table } = context;
  await sql(
    `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ` +
      `data OBJECT(DYNAMIC) AS (n BIGINT CONSTRAINT small CHECK (data['n'] < 100)), overflow OBJECT(IGNORED))`,
  );
  const data = collectionOf(context);
  const person = (_id: string, n: number) => ({
    _id,
    n,
    "card.number": "hush",
    card: { number: "hush", "x.y": "hush" },
    "$pin": "hush",
    deep: [{ "$pin": "hush" }],
  });
  await data.insertMany([person("row", 1), person("letter", 100)] as never);
  const running = context.relay(["--omit", "card,$pin,deep.$pin"]);
  await running.waitForLine(/Ready/);
  await data.insertMany([person("row 2", 2), person("letter 2", 200)] as never);
  await data.updateOne({ _id: "row" } as never, { $set: { n: 3 } });
  await seen(context, { row: { _id: "row", n: 3, deep: [{}] }, "row 2": { _id: "row 2", n: 2, deep: [{}] } });
  await lettersAre(context, ["letter", "letter 2"]);
  for (const { document } of await letters(context)) {
    assert.match(String(document), /"n"/);
    assert.doesNotMatch(String(document), /hush/);
  }
  const columns = await sql(
    "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?",
    [schema, table],
  );
  assert.doesNotMatch(JSON.stringify(columns), /card|pin/);
  assert.ok(!running.stderr.some((line) => line.includes("hush")));
  assert.equal((await running.kill()).code, 0);
});

const letters = async ({ sql }: CratedbContext) => {
  await sql("REFRESH TABLE cdc_dead_letter");
  return await sql("SELECT oid, document, error FROM cdc_dead_letter ORDER BY oid");
};

const lettersAre = (context: CratedbContext, expected: readonly string[]) =>
  eventually(async () => assert.deepEqual((await letters(context)).map(({ oid }) => oid), expected));

interface Failing {
  readonly stages: readonly Document[];
  /** Fields of a document that MongoDB cannot transform. */
  readonly bad: Document;
  /** The cause in the dead letter. */
  readonly error: RegExp;
}

const FAILING: Readonly<Record<string, Failing>> = {
  "makes it too large": {
    stages: [{ $set: { raw: "$$ROOT" } }],
    bad: { text: "x".repeat(9_000_000) },
    error: /code 10334/,
  },
  "does not convert a value": {
    stages: [{ $set: { n: { $toInt: "$secret" } } }, { $unset: "secret" }],
    bad: { secret: "hush" },
    error: /ConversionFailure, code 241/,
  },
  "divides by zero": {
    stages: [{ $set: { n: { $divide: [1, { $ifNull: ["$zero", 1] }] } } }],
    bad: { zero: 0 },
    error: /code \d+/,
  },
};

for (const [what, { stages, bad, error }] of Object.entries(FAILING)) {
  nightly(cratedbTest, what === "divides by zero")(
    `relay() keeps a document as a dead letter if the pipeline ${what}`,
    async (context) => {
      const data = collectionOf(context);
      const fine = Array.from({ length: 200 }, (_, n) => ({ _id: `fine ${n}`, secret: "1" }));
      await data.insertMany(
        [...fine.slice(0, 150), { _id: "bad 1", ...bad }, { _id: "fine 200", secret: "1" }] as never,
      );
      const running = context.relay(["--pipeline", JSON.stringify(stages)]);
      await running.waitForLine(/Ready/);
      await lettersAre(context, ["bad 1"]);
      assert.equal(Object.keys(await rows(context)).length, 151);

      await data.insertMany(
        [{ _id: "bad 2", ...bad }, ...fine.slice(150), { _id: "bad 3", ...bad }] as never,
      );
      await eventually(async () => assert.equal(Object.keys(await rows(context)).length, 201));
      await lettersAre(context, ["bad 1", "bad 2", "bad 3"]);
      for (const letter of await letters(context)) {
        assert.equal(letter.document, null);
        assert.match(String(letter.error), error);
        assert.doesNotMatch(String(letter.error), /hush/);
      }
      await data.updateOne({ _id: "fine 7" } as never, { $set: bad });
      await data.replaceOne({ _id: "bad 1" } as never, { secret: "1" });
      await data.deleteOne({ _id: "bad 2" } as never);
      await lettersAre(context, ["bad 3", "fine 7"]);
      await eventually(async () => {
        const keys = Object.keys(await rows(context));
        assert.deepEqual([keys.length, keys.includes("bad 1"), keys.includes("fine 7")], [201, true, false]);
      });
      assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
      assert.ok(!running.stderr.some((line) => line.includes("hush")));

      const again = context.relay(["--pipeline", JSON.stringify(stages), "--snapshot", "always"]);
      await again.waitForLine(/Ready/);
      await lettersAre(context, ["bad 3", "fine 7"]);
      assert.equal(Object.keys(await rows(context)).length, 201);
      assert.equal((await again.kill()).code, 0, again.stderr.join("\n"));
    },
  );
}
