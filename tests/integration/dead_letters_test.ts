import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest, type TransportName } from "../support/cratedb_harness.ts";
import { nightly } from "../support/nightly.ts";

const POISON = [3, 250, 499];

interface Table {
  readonly transport: TransportName;
  readonly data: string;
  readonly poison: unknown;
  readonly error: RegExp;
}

const TABLES: Readonly<Record<string, Table>> = {
  "a CHECK constraint": {
    transport: "http",
    data: "OBJECT(DYNAMIC) AS (n BIGINT CONSTRAINT small CHECK (data['n'] < 100))",
    poison: new BSON.Int32(100),
    error: /small|CHECK/i,
  },
  "a NOT NULL constraint": {
    transport: "wire",
    data: "OBJECT(DYNAMIC) AS (n BIGINT NOT NULL)",
    poison: null,
    error: /null/i,
  },
};

const letters = async ({ sql }: CratedbContext) => {
  await sql("REFRESH TABLE cdc_dead_letter");
  return await sql("SELECT oid, document, error, stream, time FROM cdc_dead_letter ORDER BY oid");
};

const retryLetters = ({ sql }: CratedbContext) =>
  sql(
    "INSERT INTO cdc_control (id, verb, arguments) VALUES (gen_random_text_uuid(), 'letters', ?)",
    ['{"action": "retry"}'],
  );

for (const [constraint, { transport, data: type, poison, error }] of Object.entries(TABLES)) {
  nightly(cratedbTest, transport === "http")(
    `relay() takes rows that ${constraint} refuses out of a batch, over ${transport}`,
    async (context) => {
      const { mongodb, database, relay, sql, schema, table } = context;
      const good = new BSON.Int32(7);
      await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data ${type}, overflow OBJECT(IGNORED))`);
      const data = mongodb.db(database).collection<Document>("data");
      const running = relay([], { transport });
      await running.waitForLine(/Ready/);

      const documents = Array.from(
        { length: 500 },
        (_, _id) => ({ _id, n: POISON.includes(_id) ? poison : good }),
      );
      await data.insertMany(documents as Document[]);
      const lettersOf = (ids: readonly number[]) =>
        eventually(async () => {
          const found = await letters(context);
          assert.deepEqual(found.map(({ oid }) => oid).sort(), ids.map(String).sort());
          return found;
        });
      for (const { oid, document, error: text, stream, time } of await lettersOf(POISON)) {
        const whole = { _id: new BSON.Int32(Number(oid)), n: poison };
        assert.equal(document, BSON.EJSON.stringify(whole, { relaxed: false }));
        assert.match(String(text), error);
        assert.match(String(stream), new RegExp(`${database}\\.data.*${schema}`));
        assert.ok(Math.abs(Date.now() - Number(time)) < 600_000);
      }
      const oids = async () => {
        await sql(`REFRESH TABLE "${table}"`);
        return new Set((await sql(`SELECT oid FROM "${table}"`)).map(({ oid }) => Number(oid)));
      };
      const without = (ids: readonly number[]) =>
        eventually(async () => {
          const expected = documents.map(({ _id }) => _id).filter((id) => !ids.includes(id));
          assert.deepEqual(await oids(), new Set(expected));
        });
      await without(POISON);
      await running.waitForLine(
        /WARN .*went to the dead letters oid=3 .* error="CrateDB refuses the row \(code \w+\)"/,
      );

      await data.updateOne({ _id: 3 } as Document, { $set: { n: good } });
      await data.deleteOne({ _id: 250 } as Document);
      await data.updateOne({ _id: 8 } as Document, { $set: { n: poison } });
      await lettersOf([499, 8]);
      await without([250, 499, 8]);

      assert.equal((await running.kill()).code, 0);
      const again = relay([], { transport });
      await again.waitForLine(/Ready/);
      await retryLetters(context);
      await again.waitForLine(/Dead letters were tried again/);
      await data.updateMany({}, { $set: { n: good } });
      await lettersOf([]);
      await inStep(context);
    },
  );
}

cratedbTest("relay() stops before it sends more than --max-dead-letters documents there", async (context) => {
  const { mongodb, database, relay, sql, table } = context;
  const { data: type, poison } = TABLES["a CHECK constraint"] ?? { data: "", poison: 0 };
  await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data ${type}, overflow OBJECT(IGNORED))`);
  const data = mongodb.db(database).collection<Document>("data");
  await data.insertMany([1, 2, 3].map((_id) => ({ _id, n: 7 })) as Document[]);
  const flags = ["--max-dead-letters", "2"];
  const running = relay(flags);
  await running.waitForLine(/Ready/);
  await data.updateMany({}, { $set: { n: poison } });
  await running.waitForLine(
    /More than 2 documents in succession cannot be stored\. .*CrateDB refuses the row \(code/,
  );
  assert.equal((await running.status).code, 1);
  await sql(`REFRESH TABLE "${table}"`);
  const rows = await sql(`SELECT oid FROM "${table}"`);
  const left = await letters(context);
  // More than one batch may have brought them. The last dead letter is kept, and its older row, too.
  assert.equal(left.at(-1)?.oid, "3");
  assert.match(String(left.at(-1)?.error), /CHECK/);
  assert.equal(rows.length, 4 - left.length);

  await data.updateOne({ _id: 1 } as Document, { $set: { n: 8 } });
  await relay(flags).waitForLine(/Ready/);
  await eventually(async () => assert.deepEqual((await letters(context)).map(({ oid }) => oid), ["2", "3"]));
});

cratedbTest(
  "relay() makes a dead letter of a document with overflow if the table has no overflow column",
  async (context) => {
    const { mongodb, database, relay, sql, table } = context;
    await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC))`);
    const data = mongodb.db(database).collection<Document>("data");
    await relay().waitForLine(/Ready/);
    await data.insertMany([{ _id: "fine", n: 1 }, { _id: "poison", "a.b": 1 }] as Document[]);
    await eventually(async () =>
      assert.deepEqual((await letters(context)).map(({ oid }) => oid), ["poison"])
    );
    await eventually(async () =>
      assert.deepEqual(await sql(`SELECT oid FROM "${table}"`), [{ oid: "fine" }])
    );
  },
);

cratedbTest(
  "relay() goes on after documents that are too long for CrateDB, and after a letter that it cannot read",
  async (context) => {
    const { mongodb, database, relay, sql, schema, table } = context;
    const data = mongodb.db(database).collection<Document>("data");
    const running = relay();
    await running.waitForLine(/Ready/);
    // Each of these characters is six of JSON, of which CrateDB takes 20,000,000.
    await data.insertOne({ _id: "long", text: "\u0001".repeat(3_600_000) } as Document);
    await data.insertOne({ _id: "large", bytes: new BSON.Binary(new Uint8Array(15_500_000)) } as Document);
    await data.insertOne({ _id: "name", ["k".repeat(50_001)]: 1 } as Document);
    await data.insertOne({ _id: "fine" } as Document);
    const REASONS = [
      /^A text of \d+ .* lacks its document/,
      /^A text of 21600\d+ /,
      /^A field name has 50001 /,
    ];
    await eventually(async () => {
      const found = await letters(context);
      assert.deepEqual(found.map(({ oid, document }) => [oid, document !== null]), [
        ["large", false],
        ["long", true],
        ["name", true],
      ]);
      found.forEach(({ error }, at) => assert.match(String(error), REASONS[at] ?? /$/));
    });
    assert.equal((await running.kill()).code, 0);
    // Over the wire this dead letter can be written, and not be read.
    await sql(
      "INSERT INTO cdc_dead_letter (stream, oid, document) (SELECT ?, 'unreadable', repeat('x', 20000001))",
      [`${database}.data -> ${schema}.${table}`],
    );
    const again = relay();
    await again.waitForLine(/Ready/);
    await retryLetters(context);
    await again.waitForLine(/WARN .*A dead letter cannot be read, and stays oid=unreadable /);
    await again.waitForLine(/Dead letters were tried again stored=0 left=4/);
    for (const _id of ["long", "large", "name", "unreadable"]) {
      await data.replaceOne({ _id } as Document, { small: true }, { upsert: true });
    }
    await inStep(context);
    await eventually(async () => assert.deepEqual(await letters(context), []));
    assert.equal((await again.kill()).code, 0);
  },
);

cratedbTest(
  "relay() forgets dead letters of a collection that another one follows at once",
  async (context) => {
    const { mongodb, database, relay, sql, table } = context;
    await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC))`);
    const data = mongodb.db(database).collection<Document>("data");
    const running = relay(["--on-drop", "truncate"]);
    await running.waitForLine(/Ready/);
    await data.insertOne({ _id: "poison", "a.b": 1 } as Document);
    await eventually(async () => assert.equal((await letters(context)).length, 1));
    await data.drop();
    await data.insertOne({ _id: "fine", n: 1 } as Document);
    await eventually(async () =>
      assert.deepEqual(await sql(`SELECT oid FROM "${table}"`), [{ oid: "fine" }])
    );
    await eventually(async () => assert.deepEqual(await letters(context), []));
    assert.equal((await running.kill()).code, 0);
  },
);

cratedbTest("relay() forgets dead letters of a collection whose table another one has", async (context) => {
  const { mongodb, database, relay, sql, schema } = context;
  const db = mongodb.db(database);
  await sql('CREATE TABLE "order_lines" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC))');
  const flags = ["--collection", "*", "--table", `${schema}.{collection}`, "--on-drop", "truncate"];
  await db.collection<Document>("order_lines").insertMany(
    [{ _id: "ok" }, { _id: "dead", "a.b": 5 }] as Document[],
  );
  const first = relay(flags);
  await first.waitForLine(/Ready/);
  assert.equal((await letters(context)).length, 1);
  assert.equal((await first.kill()).code, 0);
  await db.collection("order_lines").rename("order.lines");
  await db.collection("order.lines").deleteMany({});
  await sql('ALTER TABLE "order_lines" ADD COLUMN overflow OBJECT(IGNORED)');

  const second = relay(flags);
  await second.waitForLine(/A collection has a new name/);
  await db.collection("order.lines").drop();
  await db.collection<Document>("order_lines").insertOne({ _id: "new" } as Document);
  await inStep({ ...context, table: "order_lines" }, { collections: ["order_lines"] });
  assert.deepEqual(await letters(context), []);
  assert.equal((await second.kill()).code, 0);
});

interface Cause {
  readonly transport: TransportName;
  /** What follows the key in the table's definition. */
  readonly columns: string;
  readonly mend: (table: string) => string;
}

/** Why a document becomes a dead letter, and how that is mended. */
const CAUSES: Readonly<Record<string, Cause>> = {
  "a CHECK constraint is dropped": {
    transport: "http",
    columns:
      "data OBJECT(DYNAMIC) AS (n BIGINT), overflow OBJECT(IGNORED), CONSTRAINT small CHECK (data['n'] < 100)",
    mend: (table) => `ALTER TABLE "${table}" DROP CONSTRAINT small`,
  },
  "the table gets a column for overflow": {
    transport: "wire",
    columns: "data OBJECT(DYNAMIC) AS (n TEXT)",
    mend: (table) => `ALTER TABLE "${table}" ADD COLUMN overflow OBJECT(IGNORED)`,
  },
};

for (const [mended, { transport, columns, mend }] of Object.entries(CAUSES)) {
  nightly(cratedbTest, transport === "http")(
    `relay() lands dead letters on request after ${mended}, over ${transport}`,
    async (context) => {
      const { mongodb, database, relay, sql, table } = context;
      await sql(`CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, ${columns})`);
      const first = relay([], { transport });
      await first.waitForLine(/Ready/);
      // More than are read at once; among them what Extended JSON has to keep.
      const documents = Array.from({ length: 600 }, (_, _id) => ({
        _id,
        n: new BSON.Int32(100 + _id),
        "a.b": [new BSON.Double(1), BSON.Long.fromString("9007199254740993"), new Date(_id), null],
      }));
      await mongodb.db(database).collection<Document>("data").insertMany(documents as Document[]);
      await eventually(async () => assert.equal((await letters(context)).length, documents.length));
      assert.equal((await first.kill()).code, 0);

      const unmended = relay([], { transport });
      await unmended.waitForLine(/Ready/);
      await retryLetters(context);
      await unmended.waitForLine(/Dead letters were tried again stored=0 left=600 /);
      assert.equal((await unmended.kill()).code, 0);

      await sql(mend(table));
      const second = relay([], { transport });
      await second.waitForLine(/Ready/);
      await retryLetters(context);
      await second.waitForLine(/Dead letters were tried again stored=600 left=0 /);
      assert.deepEqual(await letters(context), []);
      await inStep(context);
      assert.equal((await second.kill()).code, 0);
      const third = relay([], { transport });
      await third.waitForLine(/Ready/);
      assert.ok(!third.stderr.some((line) => /tried again/.test(line)));
    },
  );
}
