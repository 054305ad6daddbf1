/** What a user sees of a relay: in the view, by `status` and by `wait`. */
import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { run } from "../support/program.ts";
import type { Row } from "../../dev/servers/query_cratedb.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { runUnread } from "../support/run_unread.ts";

/** The stream's row of the view. */
async function viewed({ sql }: CratedbContext): Promise<Row> {
  await sql("REFRESH TABLE cdc_position");
  const [row] = await sql("SELECT * FROM cdc_status");
  assert.ok(row);
  return row;
}

const viewShows = (context: CratedbContext, expected: Row) =>
  eventually(async () => {
    const row = await viewed(context);
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, row[name]])), expected);
  }, { interval: 50 });

/** Runs a command for the stream that `relay()` follows. */
const command = ({ mongodbUrl, httpUrl, database, schema, table }: CratedbContext) => {
  const naming = ["--database", database, "--collection", "data", "--table", `${schema}.${table}`];
  return (name: string, args: readonly string[] = [], env: Record<string, string> = {}) =>
    run([name, ...naming, ...args], {
      env: { MONGODB_URL: mongodbUrl, CRATEDB_SQLALCHEMY_URL: httpUrl, ...env },
    });
};

/** A proxy to CrateDB that holds back upserts. */
function holdingProxy(httpUrl: string) {
  const { host, searchParams } = new URL(httpUrl);
  let held = Promise.resolve();
  let release = () => {};
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const [body, headers] = [await request.text(), new Headers(request.headers)];
    headers.delete("host");
    // The queries of the tests may use the same connection next, whose schema CrateDB keeps.
    headers.set("Default-Schema", searchParams.get("schema") ?? "doc");
    if (/^."stmt":"[^"]*INSERT INTO [^ ]+data/.test(body)) await held;
    const answer = await fetch(`http://${host}/_sql`, { method: "POST", body, headers });
    return new Response(await answer.text(), { status: answer.status });
  });
  return {
    host: `127.0.0.1:${server.addr.port}`,
    hold: () => void ({ promise: held, resolve: release } = Promise.withResolvers<void>()),
    release: () => release(),
    async [Symbol.asyncDispose]() {
      release();
      await server.shutdown();
    },
  };
}

/** A user of CrateDB with a password, who has these privileges. @returns the URL to log in with */
async function userOf({ sql, httpUrl }: CratedbContext, name: string, grants: readonly string[]) {
  await sql(`CREATE USER "${name}" WITH (password = 'hush')`);
  for (const grant of grants) await sql(`GRANT ${grant} TO "${name}"`);
  return httpUrl.replace("//", `//${name}:hush@`);
}

cratedbTest(
  "a relay shows in the view and by `status` its lag, and that it has ended",
  async (context) => {
    const { mongodb, database, schema, relay, sql, httpUrl } = context;
    await using proxy = holdingProxy(httpUrl);
    await using users = new AsyncDisposableStack();
    const [name, reader] = [`${schema}_relay`, `${schema}_reader`];
    users.defer(async () => {
      for (const user of [name, reader]) await sql(`DROP USER IF EXISTS "${user}"`);
    });
    const url = await userOf(context, name, [
      `DQL, DML, DDL ON SCHEMA "${schema}"`,
      "DQL ON TABLE sys.shards, sys.privileges, sys.snapshots",
    ]);
    const readerUrl = await userOf(context, reader, [`DQL ON SCHEMA "${schema}"`]);
    const tell = command(context);
    const status = (...args: string[]) => tell("status", args, { CRATEDB_SQLALCHEMY_URL: readerUrl });
    const wait = (...args: string[]) => tell("wait", args, { CRATEDB_SQLALCHEMY_URL: readerUrl });
    const none = await status();
    assert.equal(none.code, 4);
    assert.match(
      none.stdout,
      new RegExp(`^The user ${reader} sees no stream of this name|^No stream is visible to`),
    );

    const data = await mongodb.db(database).createCollection<{ _id: number }>("data");
    const env = { CRATEDB_SQLALCHEMY_URL: url.replace(new URL(httpUrl).host, proxy.host) };
    const first = relay(["--lease", "2s"], { env });
    await first.waitForLine(/Ready/);
    await data.insertMany([{ _id: 1 }, { _id: 2 }]);
    const waited = await wait();
    assert.equal(waited.code, 0, waited.stderr);
    assert.match(waited.stdout, /shows everything up to 20\d\d-\S+Z \(\d+\), after/);
    assert.deepEqual(await sql("SELECT count(*) AS n FROM data"), [{ n: 2 }]);
    await viewShows(context, {
      state: "ok",
      phase: "following",
      lag_ms: 0,
      events: 2,
      rows: 2,
      last_error: null,
    });
    const { code, stdout } = await status("--json");
    assert.equal(code, 0);
    const [told] = JSON.parse(stdout);
    assert.deepEqual([told.state, told.rows, told.schema], ["ok", 2, schema]);
    const stranger = await status("--exclude", "nosuch");
    assert.equal(stranger.code, 4);
    assert.match(
      stranger.stdout,
      new RegExp(`^The user .*\\nThese exist:\\n(?:  .*\\n)*  ${database}\\.data -> `),
    );

    proxy.hold();
    await data.insertOne({ _id: 3 });
    await eventually(async () => assert.ok(Number((await viewed(context)).lag_ms) > 500), { interval: 50 });
    assert.equal((await wait("--timeout", "100ms")).code, 4);
    const late = await status("--max-lag", "100ms");
    assert.equal(late.code, 4);
    assert.match(late.stdout, /far behind/);
    assert.equal((await status("--max-lag", "forever")).code, 0);
    proxy.release();
    assert.equal((await wait()).code, 0);
    await viewShows(context, { state: "ok", lag_ms: 0, rows: 3 });

    await first.kill("SIGKILL");
    await viewShows(context, { state: "no sign of life", phase: "following" });
    assert.ok(Number((await viewed(context)).lag_ms) > 0);
    const gone = await status();
    assert.equal(gone.code, 4);
    assert.match(gone.stdout, /no sign of life/);
    const unread = await runUnread(["status", "--watch", "--json"], { CRATEDB_SQLALCHEMY_URL: readerUrl });
    assert.equal(unread, 4, "it ends when its output is closed, with the state as its exit code");
  },
  { ownProcess: true },
);

cratedbTest("a relay leaves behind how it has ended, over wire", async (context) => {
  const { mongodb, database, relay, sql } = context;
  const data = mongodb.db(database).collection<{ _id: number; n?: number }>("data");
  await data.insertOne({ _id: 1 });
  const first = relay(["--full-document", "required"], { transport: "wire" });
  await first.waitForLine(/Ready/);
  await data.updateOne({ _id: 1 }, { $set: { n: 1 } });
  assert.equal((await first.status).code, 1);
  await viewShows(context, { state: "failed", phase: "failed" });
  assert.match(String((await viewed(context)).last_error), /post-image|NoMatchingDocument/i);

  await sql("DROP VIEW cdc_status");
  await sql("CREATE TABLE cdc_status (n BIGINT)");
  await sql("INSERT INTO cdc_status (n) VALUES (7)");
  await sql("REFRESH TABLE cdc_status");
  const second = relay([], { transport: "wire" });
  await second.waitForLine(/WARN +The view of all streams cannot be created/);
  await second.waitForLine(/Ready/);
  assert.deepEqual(await sql("SELECT n FROM cdc_status"), [{ n: 7 }]);
  assert.equal((await second.kill()).code, 0);
  const env = { CRATEDB_URL: context.wireUrl };
  const { code, stdout, stderr } = await command(context)("status", ["--json"], env);
  assert.equal(code, 4, stderr);
  const [told] = JSON.parse(stdout);
  assert.deepEqual([told.state, told.last_error, told.rows], ["stopped", null, 1]);
  assert.ok(Date.parse(told.cluster_time) > Date.now() - 60_000);

  const forget = ["forget", "--stream", told.stream, "--yes"];
  const third = relay([], { transport: "wire" });
  await third.waitForLine(/Ready/);
  const refused = await run(forget, { env });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /A relay \(.*\) still follows this stream: /);
  assert.equal((await third.kill()).code, 0);
  const forgotten = await run(forget, { env });
  assert.match(
    forgotten.stdout,
    /^Forgotten: .*\nDeleted: 1 position, 1 collection, \d+ events, 1 list of settings\n$/,
    forgotten.stderr,
  );
  for (const table of ["cdc_position", "cdc_collection"]) {
    assert.deepEqual(await sql(`SELECT stream FROM ${table}`), []);
  }
  assert.deepEqual(await sql("SELECT count(*) AS n FROM data"), [{ n: 1 }], "rows of documents stay");
});
