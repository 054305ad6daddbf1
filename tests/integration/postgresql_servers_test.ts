import assert from "node:assert/strict";
import postgres from "postgres";
import { eventually } from "../../dev/servers/eventually.ts";
import { startPostgresql } from "../../dev/servers/start_postgresql.ts";

Deno.test("startPostgresql() takes the server that a URL names, and shows no password", async () => {
  const url = "postgresql://me:s%40fe@db.example.org:5433/cdc";
  await using server = await startPostgresql({ url });
  assert.deepEqual({ url: server.url, embedded: server.embedded }, { url, embedded: false });
  assert.equal(
    server.description,
    "PostgreSQL: postgresql://me:***@db.example.org:5433/cdc (from POSTGRESQL_URL)",
  );
});

const SESSIONS = 8;

const connect = (url: string) => postgres(url, { max: SESSIONS, fetch_types: false, onnotice: () => {} });

Deno.test("startPostgresql() embeds a server that serves many clients, and stops it", async () => {
  let url: string;
  {
    await using server = await startPostgresql({ url: "" });
    url = server.url;
    assert.match(
      server.description,
      /^PostgreSQL: PGlite \(.+\) on 127\.0\.0\.1:\d+ \(POSTGRESQL_URL is not set\)$/,
    );
    await using stack = new AsyncDisposableStack();
    const sql = stack.adopt(connect(url), (open) => open.end());

    // Statements with parameters take several messages each; the answers would get mixed up if clients did not take turns.
    await sql.unsafe("CREATE TABLE one (key TEXT PRIMARY KEY, n INT CHECK (n < 90))");
    await sql.unsafe("CREATE TABLE two (key TEXT PRIMARY KEY, n INT)");
    const run = (statement: string, parameters: (string | number)[]) =>
      sql.unsafe(statement, parameters, { prepare: false }).then((rows) => [...rows], ({ code }) => code);
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    const outcomes = await Promise.all(numbers.flatMap((n) => [
      run("INSERT INTO one VALUES ($1, $2)", [`key ${n}`, n]),
      run("INSERT INTO two VALUES ($1, $2)", [`key ${n}`, n]),
      run("SELECT $1::int + 1 AS n", [n]),
      run("SELECT * FROM nosuch WHERE n = $1", [n]),
    ]));
    assert.deepEqual(
      outcomes,
      numbers.flatMap((n) => [n < 90 ? [] : "23514", [], [{ n: n + 1 }], "42P01"]),
    );
    const count = async (table: string) =>
      (await sql.unsafe(`SELECT count(*)::int AS n FROM ${table}`))[0]?.n;
    assert.deepEqual([await count("one"), await count("two")], [90, 100]);

    let meanwhile: Promise<number> | undefined;
    await sql.begin(async (transaction) => {
      await transaction.unsafe("DELETE FROM two");
      meanwhile = count("two");
      await transaction.unsafe("INSERT INTO two VALUES ('last', 1)");
    });
    assert.equal(await meanwhile, 1);

    const large = "é".repeat(1_000_000);
    const [row] = await run("SELECT $1::text AS text", [large]);
    assert.ok(row.text === large, "a large value is not the same");
  }
  const { hostname, port } = new URL(url.replace("postgresql:", "http:"));
  await eventually(() => assert.rejects(Deno.connect({ hostname, port: Number(port) })));
});

Deno.test("startPostgresql() embeds a server that goes on after a client died in the middle", async () => {
  await using server = await startPostgresql({ url: "" });
  const { hostname, port } = new URL(server.url.replace("postgresql:", "http:"));
  const message = (kind: string, body: string): Uint8Array => {
    const bytes = new TextEncoder().encode(`${kind}\0\0\0\0${body}`);
    new DataView(bytes.buffer).setInt32(kind.length, bytes.length - kind.length);
    return bytes;
  };
  const startup = message("", "\0\x03\0\0user\0postgres\0database\0postgres\0\0");
  const deaths = [
    message("P", "\0INSERT INTO t VALUES (1)\0\0\0"), // and no Sync
    message("P", "\0INSERT INTO nosuch VALUES (1)\0\0\0"), // what follows an error is passed over until a Sync
    message("Q", "BEGIN; INSERT INTO t VALUES (1)\0"),
    message("Q", "SELECT 1\0").subarray(0, 7),
  ];
  const sql = connect(server.url);
  try {
    await sql.unsafe("CREATE TABLE t (n INT)");
    for (const death of deaths) {
      const client = await Deno.connect({ hostname, port: Number(port) });
      await client.write(startup);
      await client.read(new Uint8Array(4_096));
      await client.write(death);
      client.close();
      assert.deepEqual([...await sql.unsafe("SELECT n FROM t WHERE n = $1", [1], { prepare: false })], []);
    }
  } finally {
    await sql.end();
  }
});
