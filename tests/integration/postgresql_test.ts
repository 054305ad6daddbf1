import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { freePort } from "../../dev/servers/free_port.ts";
import { prepareTable } from "../../lib/sink/metadata/metadata_tables.ts";
import { openTable } from "../../lib/sink/table/target_table.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { inStep } from "../support/compare.ts";
import { type PostgresqlContext, postgresqlTest } from "../support/postgresql_harness.ts";
import type { Outcome } from "../support/program.ts";
import { refusingPostgresql } from "../support/refusing_postgresql.ts";

const dataOf = ({ mongodb, database }: PostgresqlContext, name = "data") =>
  mongodb.db(database).collection<Document>(name);

const oids = async ({ sql, schema, table }: PostgresqlContext): Promise<string[]> =>
  (await sql(`SELECT oid FROM "${schema}"."${table}" ORDER BY oid COLLATE "C"`)).map(({ oid }) =>
    String(oid)
  );

const oidsAre = (context: PostgresqlContext, expected: readonly string[]) =>
  eventually(async () => assert.deepEqual(await oids(context), expected));

const tablesIn = async ({ sql }: PostgresqlContext, schema: string): Promise<string[]> => {
  const rows = await sql(
    "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1",
    [schema],
  );
  return rows.map(({ name }) => String(name)).filter((name) => !name.startsWith("cdc_"));
};

const id = (_id: unknown) => ({ _id }) as Document;

postgresqlTest("relay() follows each type of operation into PostgreSQL", async (context) => {
  const { relay, sql, schema, table } = context;
  const data = dataOf(context);
  await relay().waitForLine(/Ready/);
  const columns = await sql(
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
    [schema, table],
  );
  assert.deepEqual(
    Object.fromEntries(columns.map(({ column_name, data_type }) => [column_name, data_type])),
    {
      oid: "text",
      data: "jsonb",
      overflow: "json",
    },
  );
  const seen = (expected: Readonly<Record<string, string | null>>) =>
    eventually(async () => {
      const rows = await sql(`SELECT oid, data->>'n' AS n FROM "${schema}"."${table}"`);
      assert.deepEqual(Object.fromEntries(rows.map(({ oid, n }) => [oid, n])), expected);
    });
  await data.insertMany([{ _id: "a", n: 1 }, { _id: "b", n: 2 }, { _id: "c", n: 3 }] as Document[]);
  await seen({ a: "1", b: "2", c: "3" });
  await data.updateOne(id("a"), { $set: { n: 10 } });
  await data.updateOne(id("b"), { $unset: { n: "" } });
  await seen({ a: "10", b: null, c: "3" });
  await data.replaceOne(id("c"), { m: 7 });
  await data.deleteOne(id("a"));
  await seen({ b: null, c: null });
  await inStep(context);
});

postgresqlTest("relay() stops on SIGTERM with its position saved in PostgreSQL", async (context) => {
  const { mongodb, database, relay, sql, schema } = context;
  await mongodb.db(database).createCollection("data");
  const data = dataOf(context);
  const flags = ["--save-interval", "1h"];
  const savedToken = async () => (await sql(`SELECT token FROM "${schema}".cdc_position`))[0]?.token;
  const first = relay(flags);
  await first.waitForLine(/Ready/);
  const before = await savedToken();
  await data.insertMany(Array.from({ length: 100 }, (_, _id) => ({ _id })) as unknown as Document[]);
  await inStep(context);
  assert.equal((await first.kill()).code, 0);
  await first.waitForLine(/Stopped events=100 upserts=100 deletes=0/);
  assert.notEqual(await savedToken(), before);

  await data.updateOne(id(1), { $set: { n: 10 } });
  await data.deleteOne(id(2));
  const second = relay(flags);
  await second.waitForLine(/Resuming from the saved position/);
  await inStep(context);
  assert.equal((await second.kill()).code, 0);
  await second.waitForLine(/Stopped events=2 /);
});

const ENDINGS: Readonly<Record<string, (context: PostgresqlContext) => Promise<unknown>>> = {
  drop: (context) => dataOf(context).drop(),
  rename: (context) => dataOf(context).rename("elsewhere"),
};

/** The rows after a drop and one more insert. */
const KEPT = { keep: ["new", "old"], truncate: ["new"], drop: ["new"] } as const;

for (const [onDrop, kept] of Object.entries(KEPT)) {
  postgresqlTest(
    `relay() follows drop and rename with --on-drop ${onDrop} in PostgreSQL`,
    async (context) => {
      const { relay, sql, schema, table } = context;
      const running = relay(["--on-drop", onDrop]);
      await running.waitForLine(/Ready/);
      for (const [ending, end] of Object.entries(ENDINGS)) {
        await dataOf(context).insertOne(id("old"));
        await eventually(async () => assert.ok((await oids(context)).includes("old")));
        await end(context);
        await running.waitForLine(new RegExp(`A collection was dropped operation=${ending}`));
        if (onDrop === "drop") {
          await eventually(async () => assert.deepEqual(await tablesIn(context, schema), []));
        }
        await dataOf(context).insertOne(id("new"));
        await oidsAre(context, kept);
        await dataOf(context).deleteOne(id("new"));
        await eventually(async () =>
          assert.deepEqual(await sql(`SELECT oid FROM "${schema}"."${table}" WHERE oid = 'new'`), [])
        );
      }
      assert.equal((await running.kill()).code, 0);
    },
  );
}

postgresqlTest("relay() is refused while another one follows the stream into PostgreSQL", async (context) => {
  const { relay } = context;
  const first = relay(["--lease", "2s"]);
  await first.waitForLine(/Ready/);
  const second = relay(["--lease", "2s"]);
  assert.equal((await second.status).code, 1);
  await second.waitForLine(/^Error: Another relay \(.+\) follows this stream/);
  await dataOf(context).insertOne(id("a"));
  await inStep(context);
  assert.equal((await first.kill()).code, 0);
});

postgresqlTest(
  "relay() takes over in PostgreSQL when the lease of one that was killed has run out",
  async (context) => {
    const { relay } = context;
    const first = relay(["--lease", "2s"]);
    await first.waitForLine(/Ready/);
    await first.kill("SIGKILL");
    await dataOf(context).insertOne(id("a"));
    const second = relay(["--lease", "2s"]);
    await second.waitForLine(/Resuming from the saved position/);
    await inStep(context);
  },
  { ownProcess: true },
);

const POISON = [3, 250, 499];

postgresqlTest(
  "relay() takes rows that PostgreSQL refuses out of a batch, and tries them again at its start",
  async (context) => {
    const { relay, sql, schema, table } = context;
    const target = `"${schema}"."${table}"`;
    await sql(`CREATE SCHEMA "${schema}"`);
    await sql(
      `CREATE TABLE ${target} (oid TEXT PRIMARY KEY, data JSONB, overflow JSON, ` +
        "CONSTRAINT small CHECK ((data->>'n')::int < 100))",
    );
    const data = dataOf(context);
    const first = relay();
    await first.waitForLine(/Ready/);
    const documents = Array.from({ length: 500 }, (_, _id) => ({
      _id,
      n: new BSON.Int32(POISON.includes(_id) ? 100 : 7),
      at: new Date(_id),
      text: "x\0y",
    }));
    await data.insertMany(documents as unknown as Document[]);
    const letters = () =>
      sql(`SELECT oid, document, error FROM "${schema}".cdc_dead_letter ORDER BY oid::int`);
    const lettersAre = (ids: readonly number[]) =>
      eventually(async () => assert.deepEqual((await letters()).map(({ oid }) => Number(oid)), ids));
    await lettersAre(POISON);
    for (const { oid, document, error } of await letters()) {
      const whole = { ...documents[Number(oid)], _id: new BSON.Int32(Number(oid)) };
      assert.equal(document, BSON.EJSON.stringify(whole, { relaxed: false }));
      assert.match(String(error), /check constraint "small"/);
    }
    await first.waitForLine(/oid=3 .* error="PostgreSQL refuses the row \(code 23514, constraint small\)"/);
    const good = documents.map(({ _id }) => _id).filter((_id) => !POISON.includes(_id));
    await oidsAre(context, good.map(String).sort());

    await data.updateOne(id(3), { $set: { n: new BSON.Int32(8) } });
    await data.deleteOne(id(250));
    await data.updateOne(id(8), { $set: { n: new BSON.Int32(100) } });
    await lettersAre([8, 499]);
    assert.equal((await first.kill()).code, 0);

    await sql(`ALTER TABLE ${target} DROP CONSTRAINT small`);
    const second = relay();
    await second.waitForLine(/Ready/);
    await sql(
      `INSERT INTO "${schema}".cdc_control (id, verb, arguments) VALUES ('1', 'letters', '{"action": "retry"}')`,
    );
    await second.waitForLine(/Dead letters were tried again stored=2 left=0 /);
    await lettersAre([]);
    await inStep(context);
  },
);

postgresqlTest(
  "relay() follows a whole database into a schema of its name, tables and all",
  async (context) => {
    const { mongodb, database, follow, sql } = context;
    const names = ["one", "two", "three"];
    await dataOf(context, "one").insertMany([id("a"), id("b")]);
    await dataOf(context, "two").insertOne(id("c"));
    const inSteps = async () => {
      for (const table of names) {
        await inStep({ ...context, schema: database, table }, { collections: [table] });
      }
    };
    try {
      const running = follow(["--database", database]);
      await running.waitForLine(/Ready/);
      await mongodb.db(database).createCollection("three");
      await dataOf(context, "two").updateOne(id("c"), { $set: { n: 1 } });
      await eventually(async () => assert.deepEqual(await tablesIn(context, database), names.toSorted()));
      await inSteps();
      await Promise.all(names.map((name, at) =>
        dataOf(context, name).insertMany(
          Array.from({ length: 300 }, (_, n) => ({ _id: `${name} ${n}`, at })) as unknown as Document[],
        )
      ));
      await inSteps();
      await mongodb.db(database).dropCollection("one");
      await running.waitForLine(/A collection was dropped/);
      assert.equal((await running.kill()).code, 0);
    } finally {
      await sql("DELETE FROM public.cdc_position WHERE stream LIKE $1", [`${database}.%`]);
    }
  },
);

postgresqlTest("relay() keeps collections apart whose long names differ at their ends", async (context) => {
  const { database, follow, sql, schema } = context;
  const start = "é".repeat(31) + "_";
  const names = [`${start}1`, `${start}2`, `${start}${"y".repeat(50)}`];
  for (const name of names) await dataOf(context, name).insertOne(id(name));
  const running = follow(["--database", database, "--table", `${schema}.{collection}`]);
  await running.waitForLine(/Ready/);
  await dataOf(context, `${start}3`).insertOne(id(`${start}3`));
  await eventually(async () => {
    const found = [];
    for (const table of await tablesIn(context, schema)) {
      found.push(...await sql(`SELECT oid FROM "${schema}"."${table}"`));
    }
    assert.deepEqual(found.map(({ oid }) => oid).sort(), [...names, `${start}3`].sort());
  });
  assert.equal((await tablesIn(context, schema)).length, 4);
});

/** Tables that don't fit, and the errors. */
const SHAPES: Readonly<Record<string, RegExp>> = {
  "oid TEXT, data JSONB": /`oid` is not its primary key/,
  "oid TEXT, n INT, data JSONB, PRIMARY KEY (oid, n)": /`oid` is not its primary key/,
  "oid BIGINT PRIMARY KEY, data JSONB": /no `oid` column of type TEXT/,
  "oid TEXT PRIMARY KEY, data TEXT": /no `data` column of type JSONB/,
  "id TEXT PRIMARY KEY": /no `data` column of type JSONB/,
};

for (const [columns, message] of Object.entries(SHAPES)) {
  postgresqlTest(
    `relay() refuses a table of (${columns}) in PostgreSQL, and leaves it as it is`,
    async (context) => {
      const { sql, schema, table, runRelay } = context;
      await sql(`CREATE SCHEMA "${schema}"`);
      await sql(`CREATE TABLE "${schema}"."${table}" (${columns})`);
      const definition = () =>
        sql(
          "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
          [schema, table],
        );
      const before = await definition();
      const outcome = await runRelay();
      assertTold(outcome, { message: /cannot be used: /, hint: /ALTER TABLE .* RENAME TO/ });
      assert.match(outcome.stderr, message);
      assert.deepEqual(await definition(), before);
    },
  );
}

postgresqlTest("tables are made in PostgreSQL by several relays at the same moment", async (context) => {
  const { url, schema, sql } = context;
  await using open = new AsyncDisposableStack();
  const transports = await Promise.all(
    Array.from({ length: 6 }, async () => open.use(await openTransport(parseSinkUrl(url)))),
  );
  for (let round = 0; round < 10; round++) {
    await Promise.all(transports.map(async (transport) => {
      await prepareTable(transport, schema, "cdc_collection");
      await openTable(transport, { table: { schema, name: "data" }, columns: "typed" });
    }));
    assert.deepEqual(await tablesIn(context, schema), ["data"]);
    await sql(`DROP SCHEMA "${schema}" CASCADE`);
  }
});

postgresqlTest(
  "relay() empties a table in PostgreSQL that it cannot drop, as a view is of it",
  async (context) => {
    const { relay, sql, schema, table } = context;
    await dataOf(context).insertOne(id("old"));
    const running = relay(["--on-drop", "drop"]);
    await running.waitForLine(/Ready/);
    await sql(`CREATE VIEW "${schema}".seen AS SELECT oid FROM "${schema}"."${table}"`);
    await dataOf(context).drop();
    await running.waitForLine(/WARN .*emptied and not dropped/);
    await dataOf(context).insertOne(id("new"));
    await oidsAre(context, ["new"]);
    assert.equal((await running.kill()).code, 0);
  },
);

const SECRET = "hunter2secret";

interface Refusal {
  readonly code: string;
  /** In the words of PostgreSQL. */
  readonly says: string;
  readonly message: RegExp;
  readonly hint: RegExp;
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  "the password is wrong": {
    code: "28P01",
    says: 'password authentication failed for user "me"',
    message: /refused the login/,
    hint: /user and password .*CRATEDB_URL/,
  },
  "the role is unknown": {
    code: "28000",
    says: 'role "me" does not exist',
    message: /refused the login/,
    hint: /user and password .*CRATEDB_URL/,
  },
  "the database is unknown": {
    code: "3D000",
    says: 'database "nosuch" does not exist',
    message: /nosuch/,
    hint: /CRATEDB_URL/,
  },
};

for (const [what, { code, says, ...told }] of Object.entries(REFUSALS)) {
  postgresqlTest(`main() reports that ${what} in PostgreSQL`, async ({ runRelay }) => {
    using server = refusingPostgresql(code, says);
    const outcome = await runRelay([], {
      CRATEDB_URL: `postgresql://me:${SECRET}@127.0.0.1:${server.port}/nosuch`,
    });
    assertTold(outcome, told);
  });
}

postgresqlTest("main() reports that PostgreSQL cannot be reached", async ({ runRelay }) => {
  const port = freePort();
  const outcome = await runRelay([], { CRATEDB_URL: `postgresql://me:${SECRET}@127.0.0.1:${port}/db` });
  assertTold(outcome, {
    message: new RegExp(`cannot be reached: .*127\\.0\\.0\\.1:${port}`),
    hint: /that it is running/,
  });
});

function assertTold({ code, stdout, stderr }: Outcome, told: Pick<Refusal, "message" | "hint">): void {
  const [error = ""] = stderr.split("\n").filter((line) => line.startsWith("Error: "));
  assert.match(error, told.message, stderr);
  assert.match(stderr, told.hint);
  assert.doesNotMatch(stderr, new RegExp(`${SECRET}|^    at `, "m"));
  assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
}
