import assert from "node:assert/strict";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import {
  type Parameter,
  type QueryOptions,
  type Transport,
  wrapped,
} from "../../../../lib/sink/connection/transport.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { Row } from "../../../../lib/sink/table/row.ts";
import { Writer } from "../../../../lib/sink/table/writer.ts";
import { jsonBytes } from "../../../../lib/util/json_writer.ts";

const TABLE = { schema: "doc", name: "t", hasOverflow: true };
const LIMITS = { statementRows: 1_024, statementBytes: 1_000_000, inFlight: 1 };
const rows = (count: number): Row[] =>
  Array.from({ length: count }, (_, at) => ({ oid: `k${at}`, data: jsonBytes("{}"), overflow: null }));

type Failure = (oid: string) => SinkError | null;

/** A server with one shard: it drops bad rows of an UNNEST, and reports ten errors of a statement that runs for each row. */
function server(failureOf: Failure, { rowErrors = true, failsAsAWhole = false } = {}) {
  const statements: { readonly sql: string; readonly oids: readonly string[]; readonly forEach: boolean }[] =
    [];
  const stored = new Set<string>();
  const transport: Transport = {
    dialect: { ...CRATEDB, rowErrors },
    query: (sql: string, [first]: readonly Parameter[] = [], { forEach = false }: QueryOptions = {}) => {
      const oids = (Array.isArray(first) ? first : [first]) as readonly string[];
      statements.push({ sql, oids, forEach });
      if (!sql.startsWith("INSERT")) return Promise.resolve({ count: 1, rows: [] });
      const failures = oids.map(failureOf);
      const [failure] = failures.filter((each) => each !== null);
      if (failure && (forEach ? failsAsAWhole : !sql.includes("UNNEST"))) return Promise.reject(failure);
      oids.forEach((oid, at) => failures[at] ?? stored.add(oid));
      const count = failures.filter((each) => each === null).length;
      let told = 0;
      const errors = failures.map((each) => each && (told++ < 10 ? each : undefined));
      return Promise.resolve({ count, rows: [], ...forEach && { errors } });
    },
    async [Symbol.asyncDispose]() {},
  };
  return { transport, statements, stored };
}

const badOf = (...indexes: readonly number[]): Failure => (oid) =>
  indexes.includes(Number(oid.slice(1))) ? new SinkError(`no row for ${oid}`, { code: "4000" }) : null;

const upserted = async (count: number, ...given: Parameters<typeof server>) => {
  const { transport, ...seen } = server(...given);
  const refused = await new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(count));
  const byKey = refused.toSorted((one, other) => one.oid < other.oid ? -1 : 1);
  return { refused: byKey, ...seen };
};

const CASES: readonly (readonly [string, number, Failure, number])[] = [
  ["one row of many", 1_024, badOf(700), 2],
  ["ten rows of many", 1_024, badOf(0, 1, 2, 100, 200, 300, 400, 500, 1_022, 1_023), 2],
  ["25 rows, of which the server reports ten each time", 1_024, badOf(...Array(25).keys()), 4],
  ["every row", 40, badOf(...Array(40).keys()), 5],
];

for (const [what, count, failureOf, most] of CASES) {
  Deno.test(`Writer.upsert() finds by the errors of rows what it finds by bisection: ${what}`, async () => {
    const { refused, statements, stored } = await upserted(count, failureOf);
    const bisected = await upserted(count, failureOf, { rowErrors: false });
    assert.deepEqual(refused, bisected.refused);
    assert.deepEqual(stored, bisected.stored);
    assert.ok(statements.length <= most, `${statements.length} statements`);
    assert.ok(bisected.statements.length > statements.length);
  });
}

Deno.test("Writer.upsert() bisects if all rows have one error, which may be that of one", async () => {
  const { transport, stored } = server(badOf(9));
  const shared = new SinkError("no row for k9", { code: "4000" });
  const old = wrapped(transport, async (...statement) => {
    const [, [oids] = [], options] = statement;
    if (!options?.forEach) return await transport.query(...statement);
    return { count: 0, rows: [], errors: (oids as readonly string[]).map(() => shared) };
  });
  const refused = await new Writer(old, TABLE, { limits: LIMITS }).upsert(rows(64));
  const reason = "CrateDB refuses the row (code 4000)";
  assert.deepEqual(refused, [{ oid: "k9", error: "no row for k9", reason, kind: "refused" }]);
  assert.equal(stored.size, 63);
});

Deno.test("Writer.upsert() bisects if the server refuses the statement for each row as a whole", async () => {
  const { refused, statements } = await upserted(64, badOf(9, 10), { failsAsAWhole: true });
  assert.deepEqual(refused.map(({ oid, error }) => [oid, error]), [
    ["k10", "no row for k10"],
    ["k9", "no row for k9"],
  ]);
  assert.equal(statements.filter(({ forEach }) => forEach).length, 1);
});

const PASSING = new SinkError("[doc.t][0] Not enough active copies to meet shard count of [2]", {
  code: "5000",
});

Deno.test("Writer.upsert() blames no row for an error of the server, and writes it alone to find out", async () => {
  const { transport, statements } = server((oid) => oid === "k3" ? PASSING : null);
  await assert.rejects(new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(10)), PASSING);
  const { oids, forEach } = statements.at(-1) ?? {};
  assert.deepEqual([oids, forEach], [["k3"], false]);
});

Deno.test("Writer.upsert() throws an unknown error of a row that an empty row meets too, as bisection does", async () => {
  const unknown = new SinkError("something new", { code: "5000" });
  const { transport } = server((oid) => oid === "k3" ? unknown : null);
  const message = 'CrateDB refuses to write to "doc"."t": something new';
  await assert.rejects(new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(10)), {
    name: "UserError",
    message,
  });
});
