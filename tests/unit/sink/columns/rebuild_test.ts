import assert from "node:assert/strict";
import { Rebuilder, type RebuildFailure } from "../../../../lib/sink/columns/rebuild.ts";
import type { Redefinition } from "../../../../lib/sink/columns/rebuild_steps.ts";
import { TableSchema } from "../../../../lib/sink/columns/table_schema.ts";
import { redefined } from "../../../../lib/sink/table/show_create_table.ts";
import { jsonBytes } from "../../../../lib/util/json_writer.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { memoryTable } from "../../../support/memory_lease_table.ts";

const TABLE = { schema: "doc", name: "t", hasOverflow: true };
const DEFINITION =
  'CREATE TABLE IF NOT EXISTS "doc"."t" (\n   "oid" TEXT NOT NULL,\n   "data" OBJECT(DYNAMIC) AS (\n' +
  '      "n" BIGINT\n   ),\n   "overflow" OBJECT(IGNORED),\n   PRIMARY KEY ("oid")\n)\nCLUSTERED INTO 1 SHARDS';

/** `n` becomes DOUBLE PRECISION, and moves from `overflow` to `data` in all rows. */
const change = (done: number[] = []): Redefinition => ({
  create: (copy) =>
    redefined(DEFINITION, copy, ({ path, type }) => path.join() === "data,n" ? "DOUBLE PRECISION" : type),
  rows: "overflow IS NOT NULL",
  changed: ({ oid, overflow }) => ({ oid, data: jsonBytes(overflow ?? "{}"), overflow: null }),
  onDone: (ms) => done.push(ms),
});

interface Server {
  /** Changes of the table during the rebuild. */
  readonly during?: "a write" | "a column";
  readonly isBackupRunning?: boolean;
  /** Rows that the copy lacks. */
  readonly lacking?: number;
  /** The work table in the lock, and its owner; the lease of a relay that died has expired. */
  readonly lock?: { readonly workTable: string; readonly isAlive: boolean };
}

/** A table of one row in a CrateDB that understands the statements of a rebuild. */
function serverOf({ during, isBackupRunning = false, lacking = 0, lock }: Server = {}) {
  const locks = memoryTable();
  if (lock) {
    const lease_until = locks.serverTime + (lock.isAlive ? 60_000 : -1);
    locks.rows.set("t", { owner: "other", lease_until, work_table: lock.workTable, seqNo: 1 });
  }
  const tables = new Set(["cdc_lock", "t", ...lock ? [lock.workTable] : []]);
  const sent: string[] = [];
  let isCopied = false;
  const rowsOf = (sql: string, parameters: readonly unknown[]): unknown[][] | undefined => {
    if (sql.startsWith("SHOW CREATE")) {
      const isOther = isCopied && during === "a column";
      return [[isOther ? DEFINITION.replace('"n"', '"m"') : DEFINITION]];
    }
    if (sql.includes("sys.snapshots")) return isBackupRunning ? [[1]] : [];
    if (sql.includes("sys.shards")) {
      const last = isCopied && during === "a write" ? 8 : 7;
      return [[0, last, last]];
    }
    if (sql.includes("sys.privileges")) return [["ann", "DQL", "GRANT"]];
    if (sql.includes("pg_catalog.pg_tables")) return tables.has(String(parameters[1])) ? [[1]] : [];
    if (sql.startsWith('SELECT 1 FROM "doc"."cdc_lock"')) return lock ? [[1]] : [];
    if (sql.startsWith("SELECT count(*)")) return [[sql.includes("~") ? 1 - lacking : 1]];
    if (sql.startsWith("SELECT 1 FROM")) return [];
    if (sql.includes("overflow::text")) return [["1", "1", "{}", '{"n":2.5}']];
    return undefined;
  };
  const transport: typeof locks = {
    ...locks,
    query: async (...[sql, parameters = [], options]: Parameters<typeof locks.query>) => {
      const rows = rowsOf(sql, parameters);
      if (rows) return { count: rows.length, rows };
      if (sql.includes('"cdc_lock"')) return await locks.query(sql, parameters, options);
      if (sql.includes('(SELECT "oid"')) isCopied = true;
      sent.push(sql.replace(/~[0-9a-f]{8}/g, "~").replace(/^\/\*.*?\*\/ /, ""));
      return { count: 1, rows: [] };
    },
  };
  const tableSchema = new TableSchema(transport, { table: TABLE, inferred: false, log: QUIET });
  const rebuilder = new Rebuilder({ patient: transport, raw: transport }, {
    table: TABLE,
    tableSchema,
    limits: { statementRows: 10, statementBytes: 1_000, inFlight: 1 },
    lease: 10_000,
    signal: new AbortController().signal,
    log: QUIET,
    clock: {
      now: () => locks.serverTime,
      monotonic: () => locks.serverTime,
      // The statement that copies the rows is answered before anyone looks at its progress.
      wait: () => new Promise(() => {}),
    },
  });
  return { rebuilder, sent, lockRow: () => locks.rows.get("t") };
}

const verbs = (sent: readonly string[]) => sent.map((sql) => /^(?:ALTER CLUSTER|\w+)/.exec(sql)?.[0]);

Deno.test("Rebuilder fills a work table, changes its rows, swaps it and cleans up", async () => {
  const { rebuilder, sent, lockRow } = serverOf();
  const done: number[] = [];
  assert.equal(await rebuilder.rebuild(() => Promise.resolve(change(done))), undefined);
  assert.deepEqual(done, [0]);
  assert.deepEqual(verbs(sent), [
    ...["ALTER", "CREATE", "GRANT", "REFRESH", "REFRESH", "INSERT", "INSERT", "REFRESH"],
    ...["ALTER", "ALTER CLUSTER", "ALTER"],
  ]);
  assert.match(sent[1] ?? "", /^CREATE TABLE "doc"\."t~" \([^]*"n" DOUBLE PRECISION/);
  assert.match(sent[6] ?? "", /^INSERT INTO "doc"\."t~" .*VALUES/);
  assert.equal(lockRow()?.work_table, null);
});

const FAILURES: readonly (readonly [string, Server, RebuildFailure["kind"], RegExp])[] = [
  ["a write during the rebuild", { during: "a write" }, "passing", /written to/],
  ["a new column during the rebuild", { during: "a column" }, "passing", /columns of the table were changed/],
  ["a copy that lacks rows", { lacking: 1 }, "final", /the new table has 0 rows, the old one 1/],
];
for (const [what, server, kind, reason] of FAILURES) {
  Deno.test(`Rebuilder keeps the table after ${what}: ${kind}`, async () => {
    const { rebuilder, sent, lockRow } = serverOf(server);
    const failure = await rebuilder.rebuild(() => Promise.resolve(change()));
    assert.equal(failure?.kind, kind);
    assert.match(failure.reason, reason);
    assert.ok(!verbs(sent).includes("ALTER CLUSTER"));
    assert.match(sent.at(-1) ?? "", /^ALTER TABLE "doc"\."t" SET \("blocks\.write" = false/);
    assert.equal(lockRow()?.work_table, null);
  });
}

Deno.test("Rebuilder does not begin during a backup", async () => {
  const { rebuilder, sent } = serverOf({ isBackupRunning: true });
  const failure = await rebuilder.rebuild(() => Promise.resolve(change()));
  assert.equal(failure?.kind, "backup running");
  assert.deepEqual(sent, []);
});

Deno.test("Rebuilder keeps a table without a change", async () => {
  const { rebuilder, sent } = serverOf();
  assert.equal(await rebuilder.rebuild(() => Promise.resolve(undefined)), undefined);
  assert.deepEqual(sent, []);
});

Deno.test("Rebuilder.recover() cleans up after a relay that was killed", async () => {
  const { rebuilder, sent, lockRow } = serverOf({ lock: { workTable: "t~0badcafe", isAlive: false } });
  assert.equal(await rebuilder.recover(), false);
  assert.deepEqual(verbs(sent), ["ALTER", "ALTER", "DROP"]);
  assert.equal(sent.at(-1), 'DROP TABLE IF EXISTS "doc"."t~"');
  assert.equal(lockRow()?.work_table, null);
});

Deno.test("Rebuilder.recover() leaves a rebuild of a live relay alone", async () => {
  const { rebuilder, sent } = serverOf({ lock: { workTable: "t~0badcafe", isAlive: true } });
  assert.equal(await rebuilder.recover(), true);
  assert.deepEqual(sent, []);
});

Deno.test("Rebuilder.recover() drops no table that a relay has not created", async () => {
  const { rebuilder, sent, lockRow } = serverOf({ lock: { workTable: "customers", isAlive: false } });
  assert.equal(await rebuilder.recover(), false);
  assert.deepEqual(sent, []);
  assert.equal(lockRow()?.work_table, null);
});
