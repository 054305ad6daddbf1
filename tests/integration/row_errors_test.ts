import assert from "node:assert/strict";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { refreshTable, type Transport, wrapped } from "../../lib/sink/connection/transport.ts";
import { quoteTable, type TableName } from "../../lib/sink/sql/names.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import type { Row } from "../../lib/sink/table/row.ts";
import { Writer } from "../../lib/sink/table/writer.ts";
import { jsonBytes } from "../../lib/util/json_writer.ts";
import { cratedbTest, transports } from "../support/cratedb_harness.ts";

const LIMITS = { statementRows: 200, statementBytes: 2 ** 21, inFlight: 1 };

/** What rows of a dynamic table may be refused for. */
const BAD: Readonly<Record<string, string>> = {
  long: JSON.stringify({ s: "x".repeat(40_000) }),
  type: '{"n":"not a number"}',
  mixed: '{"list":[1,"a"]}',
  scalar: '{"o":1}',
  dotted: '{"a.b":1}',
  check: '{"c":-1}',
};

const rowOf = (oid: string, data: string): Row => ({ oid, data: jsonBytes(data), overflow: null });
const good = (count: number): Row[] =>
  Array.from({ length: count }, (_, at) => rowOf(`good${at}`, `{"n":${at}}`));

const COLUMNS = "oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC) AS (n BIGINT, s TEXT, o OBJECT, " +
  "c INTEGER CONSTRAINT positive CHECK (data['c'] > 0)), overflow OBJECT(IGNORED)";

/** Writes rows to a new table. @returns what was refused and what is stored, and the number of statements */
async function written(transport: Transport, table: TableName, rows: readonly Row[]) {
  const name = quoteTable(table);
  await transport.query(`CREATE TABLE ${name} (${COLUMNS}) CLUSTERED INTO 1 SHARDS`);
  let statements = 0;
  const counting = wrapped(transport, (...statement) => (statements++, transport.query(...statement)));
  const writer = new Writer(counting, { ...table, hasOverflow: true }, { limits: LIMITS });
  const refused = await writer.upsert(rows);
  await refreshTable(transport, table);
  const { rows: stored } = await transport.query(`SELECT oid FROM ${name} ORDER BY oid`);
  await transport.query(`DROP TABLE ${name}`);
  // The number of the column.
  const told = refused.map((each) => ({ ...each, error: each.error.replace(/field="\d+"/, "field") }));
  return { refused: told.toSorted((one, other) => one.oid < other.oid ? -1 : 1), stored, statements };
}

const withRowErrors = (transport: Transport, rowErrors: boolean): Transport => ({
  ...wrapped(transport, (...statement) => transport.query(...statement)),
  dialect: { ...transport.dialect, rowErrors },
});

/** Bad rows, each between good ones. */
const mixed = (kinds: readonly string[], times: number): Row[] => {
  const bad = kinds.flatMap((kind) =>
    Array.from({ length: times }, (_, at) => rowOf(`${kind}${at}`, BAD[kind] ?? ""))
  );
  const all = good(100);
  bad.forEach((row, at) => all.splice(at * 7 % all.length, 0, row));
  return all;
};

for (const name of transports) {
  cratedbTest(
    `Writer.upsert() reports over ${name} what bisection reports`,
    async (context) => {
      const url = name === "http" ? context.httpUrl : context.wireUrl;
      await using transport = await openTransport(parseSinkUrl(url));
      for (const [kinds, times] of [[Object.keys(BAD), 1], [["long"], 12], [["mixed", "long"], 2]] as const) {
        const rows = mixed(kinds, times);
        const table = { schema: context.schema, name: context.table };
        const known = await written(transport, table, rows);
        const bisected = await written(withRowErrors(transport, false), table, rows);
        assert.deepEqual(known.refused, bisected.refused);
        assert.deepEqual(known.stored, bisected.stored);
        assert.equal(known.stored.length, 100);
        // Over HTTP, servers from 5.10 on report ten errors of a shard in a statement; the last two rows are bisected.
        if (transport.dialect.rowErrors && kinds.join() === "long") {
          assert.equal(known.statements, 6);
          assert.ok(bisected.statements > 30, `${bisected.statements} statements`);
        }
      }
    },
  );
}
