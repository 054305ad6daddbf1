import assert from "node:assert/strict";
import { freePort } from "../../dev/servers/free_port.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { run } from "../support/program.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { whole } from "../support/collections.ts";
import { inStep } from "../support/compare.ts";
import { startRelay } from "../support/follow.ts";
import { standaloneMongodbTest } from "../support/own_mongodb.ts";

const SECRET = "hunter2secret";

/** A URL with its user, password, host or port changed. */
function changed(
  url: string,
  parts: Partial<Pick<URL, "username" | "password" | "hostname" | "port">>,
): string {
  const [, scheme = "", rest = ""] = /^(.+?):\/\/(.*)$/.exec(url) ?? [];
  const changing = Object.assign(new URL(`http://${rest}`), parts);
  return `${scheme}://${changing.href.slice("http://".length)}`;
}

interface Failure {
  readonly env: (context: CratedbContext) => Record<string, string>;
  readonly message: RegExp;
  readonly hint: RegExp;
}

/** The same failure, earlier. */
const SOON = "serverSelectionTimeoutMS=500";
const login = { username: "nobody", password: SECRET };
const closed = { ...login, hostname: "127.0.0.1", port: `${freePort()}` };
const unknown = { ...login, hostname: "no-such-host.invalid" };

const FAILURES: Readonly<Record<string, Failure>> = {
  "MongoDB refuses the password": {
    env: ({ mongodbUrl }) => ({ MONGODB_URL: changed(mongodbUrl, login) }),
    message: /MongoDB refused the user name or password/,
    hint: /MONGODB_URL/,
  },
  "MongoDB cannot be reached": {
    env: () => ({ MONGODB_URL: `mongodb://unknown:${SECRET}@127.0.0.1:${closed.port}/?${SOON}` }),
    message: new RegExp(`MongoDB cannot be reached: .*127\\.0\\.0\\.1:${closed.port}`),
    hint: /that it is running/,
  },
  "the host of MongoDB is unknown": {
    env: () => ({ MONGODB_URL: `mongodb://unknown:${SECRET}@no-such-host.invalid/?${SOON}` }),
    message: /The MongoDB host is unknown: .*no-such-host\.invalid/,
    hint: /MONGODB_URL/,
  },
  "CrateDB refuses the password over HTTP": {
    env: ({ httpUrl }) => ({ CRATEDB_SQLALCHEMY_URL: changed(httpUrl, login) }),
    message: /CrateDB refused the login: .*authentication failed/,
    hint: /CRATEDB_SQLALCHEMY_URL/,
  },
  "CrateDB refuses the password over the wire": {
    env: ({ wireUrl }) => ({ CRATEDB_URL: changed(wireUrl, login) }),
    message: /CrateDB refused the login: .*authentication failed/,
    hint: /CRATEDB_URL/,
  },
  "CrateDB cannot be reached over HTTP": {
    env: ({ httpUrl }) => ({ CRATEDB_SQLALCHEMY_URL: changed(httpUrl, closed) }),
    message: new RegExp(`CrateDB cannot be reached: .*127\\.0\\.0\\.1:${closed.port}`),
    hint: /that it is running/,
  },
  "CrateDB cannot be reached over the wire": {
    env: ({ wireUrl }) => ({ CRATEDB_URL: changed(wireUrl, closed) }),
    message: new RegExp(`CrateDB cannot be reached: .*127\\.0\\.0\\.1:${closed.port}`),
    hint: /that it is running/,
  },
  "the host of CrateDB is unknown over HTTP": {
    env: ({ httpUrl }) => ({ CRATEDB_SQLALCHEMY_URL: changed(httpUrl, unknown) }),
    message: /The CrateDB host is unknown: .*no-such-host\.invalid/,
    hint: /CRATEDB_SQLALCHEMY_URL/,
  },
  "the host of CrateDB is unknown over the wire": {
    env: ({ wireUrl }) => ({ CRATEDB_URL: changed(wireUrl, unknown) }),
    message: /The CrateDB host is unknown: .*no-such-host\.invalid/,
    hint: /CRATEDB_URL/,
  },
};

async function fails(context: CratedbContext, { env, message, hint }: Failure): Promise<void> {
  const { mongodbUrl, httpUrl, database, schema, table } = context;
  const args = ["cdc-relay", "--database", database, "--collection", "data", "--table", `${schema}.${table}`];
  const urls = { MONGODB_URL: mongodbUrl, CRATEDB_SQLALCHEMY_URL: httpUrl, ...env(context) };
  const { code, stdout, stderr } = await run(args, { env: urls });
  assert.match(stderr, message);
  assert.match(stderr, hint);
  assert.match(stderr, /^Error: /m);
  assert.doesNotMatch(stderr, new RegExp(`${SECRET}|^    at `, "m"));
  assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
}

cratedbTest("main() reports servers that it cannot reach or that refuse the login", async (context) => {
  for (const failure of Object.values(FAILURES)) await fails(context, failure);
});

/** Columns that cannot hold whole documents, and the error. */
const UNFIT: Readonly<Record<string, readonly [columns: string, why: RegExp]>> = {
  "has no key": ["oid TEXT, data OBJECT(DYNAMIC)", /`oid` is not its primary key/],
  "has an overflow that takes columns": [
    "oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(DYNAMIC)",
    /its `overflow` is not a plain OBJECT\(IGNORED\), but OBJECT\(DYNAMIC\)\./,
  ],
  "has an overflow that is text": [
    "oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow TEXT",
    /its `overflow` is not a plain OBJECT\(IGNORED\), but TEXT\./,
  ],
  "has an overflow that must not be null": [
    "oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED) NOT NULL",
    /its `overflow` is not a plain OBJECT\(IGNORED\), but OBJECT\(IGNORED\) NOT NULL\./,
  ],
  "has an overflow with columns": [
    "oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED) AS (t BIGINT)",
    /its `overflow` is not a plain OBJECT\(IGNORED\), but OBJECT\(IGNORED\) with columns\./,
  ],
  "has a default below data": [
    "oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (o OBJECT AS (x BIGINT DEFAULT 5))",
    /data\['o'\]\['x'\] gets values from the table \(DEFAULT\)/,
  ],
  "has a generated column below data": [
    "oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (x BIGINT, y BIGINT GENERATED ALWAYS AS data['x'] + 1)",
    /data\['y'\] gets values from the table \(GENERATED ALWAYS\)/,
  ],
};

cratedbTest("main() reports why a table cannot be used, and leaves it as it is", async (context) => {
  const { sql, schema } = context;
  for (const [what, [columns, why]] of Object.entries(UNFIT)) {
    const table = what.replaceAll(" ", "_");
    await sql(`CREATE TABLE "${table}" (${columns}) CLUSTERED INTO 1 SHARDS`);
    const [before] = await sql(`SHOW CREATE TABLE "${table}"`);
    await fails({ ...context, table }, {
      env: () => ({}),
      message: new RegExp(`Table "${schema}"\\."${table}" cannot be used: .*${why.source}`),
      hint: /ALTER TABLE .* RENAME TO/,
    });
    assert.deepEqual(await sql(`SHOW CREATE TABLE "${table}"`), [before]);
  }
});

cratedbTest("main() reports that the table is a view", async (context) => {
  const { sql, table } = context;
  await sql(`CREATE VIEW "${table}" AS SELECT 1 AS n`);
  await fails(context, {
    env: () => ({}),
    message: /^Error: Table .* cannot be used: it is a view\./m,
    hint: /drop the view/,
  });
});

cratedbTest(
  "relay() skips collections whose tables cannot be used, and reads them once they can",
  async (context) => {
    const { mongodb, database, sql } = context;
    const flags = [...whole(context), "--lease", "1s"];
    const names = ["good", "unfit", "view"];
    const insert = (_id: number, collections = names) =>
      Promise.all(
        collections.map((name) => mongodb.db(database).collection<{ _id: number }>(name).insertOne({ _id })),
      );
    const status = async () => {
      await sql("REFRESH TABLE cdc_position");
      return (await sql("SELECT state, failed_collections, last_error FROM cdc_status"))[0];
    };
    const states = async () => {
      await sql("REFRESH TABLE cdc_collection");
      return Object.fromEntries(
        (await sql("SELECT collection, state, table_name FROM cdc_collection"))
          .map(({ collection, state, table_name }) => [collection, [state, table_name]]),
      );
    };
    await sql('CREATE VIEW "view" AS SELECT 1 AS n');
    await sql('CREATE TABLE "unfit" (oid TEXT PRIMARY KEY, data TEXT) CLUSTERED INTO 1 SHARDS');
    await sql(`INSERT INTO "unfit" (oid, data) VALUES ('of somebody', '')`);
    await insert(1, ["good", "unfit"]);

    await using first = startRelay(context, flags);
    await first.waitForLine(
      /WARN .*collection failed.*collection=\S+\.unfit reason="Table .* no `data` column/,
    );
    await first.waitForLine(/Ready/);
    await insert(2);
    await first.waitForLine(/WARN .*collection failed.*collection=\S+\.view reason="Table .* it is a view/);
    await insert(3);
    await inStep({ ...context, table: "good" }, { collections: ["good"] });
    await eventually(async () => {
      const { state, failed_collections, last_error } = await status() ?? {};
      assert.deepEqual([state, failed_collections], ["failed collections", 2]);
      assert.match(String(last_error), /\.unfit failed: Table .* \(and 1 more\)/);
    });
    const failed = { good: ["following", "good"], unfit: ["failed", null], view: ["failed", null] };
    await eventually(async () => assert.deepEqual(await states(), failed));
    await first.kill("SIGKILL");
    assert.deepEqual(await states(), failed);
    const [unfit] = await sql("SELECT reason, hint FROM cdc_collection WHERE collection = 'unfit'");
    assert.match(String(unfit?.reason), /no `data` column/);
    assert.match(String(unfit?.hint), /another table with --table/);

    await sql('DROP VIEW "view"');
    await sql('ALTER TABLE "unfit" RENAME TO "of somebody"');
    await using second = startRelay(context, flags);
    await second.waitForLine(/Ready/);
    await insert(4);
    for (const name of names) await inStep({ ...context, table: name }, { collections: [name] });
    await eventually(async () =>
      assert.deepEqual(await status(), { state: "ok", failed_collections: 0, last_error: null })
    );
    await eventually(async () =>
      assert.deepEqual(await states(), Object.fromEntries(names.map((name) => [name, ["following", name]])))
    );
    assert.equal((await second.kill()).code, 0);
  },
  { ownProcess: true },
);

cratedbTest("main() reports that the saved position cannot be read", async (context) => {
  const running = context.relay();
  await running.waitForLine(/Ready/);
  assert.equal((await running.kill()).code, 0);
  await context.sql("REFRESH TABLE cdc_position");
  await context.sql("UPDATE cdc_position SET token = 'zz'");
  await fails(context, {
    env: () => ({}),
    message: /The position of this stream cannot be read: its token is zz/,
    hint: /Delete the row of this stream from cdc_position/,
  });
});

standaloneMongodbTest("main() reports that MongoDB runs without a replica set", async (context, url) => {
  await fails(context, {
    env: () => ({ MONGODB_URL: url }),
    message: /MongoDB runs without a replica set/,
    hint: /rs\.initiate\(/,
  });
});
