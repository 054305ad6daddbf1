import type { TargetTable } from "../../../../lib/sink/table/target_table.ts";
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { JsonArray, Parameter, Result, Transport } from "../../../../lib/sink/connection/transport.ts";
import { jsonBytes, jsonOfBytes } from "../../../../lib/util/json_writer.ts";
import type { WriteLimits } from "../../../../lib/sink/connection/write_pace.ts";
import type { Row } from "../../../../lib/sink/table/row.ts";
import { Writer } from "../../../../lib/sink/table/writer.ts";

interface Statement {
  readonly sql: string;
  readonly oids: readonly string[];
  readonly parameters: readonly Parameter[];
}

/** A sink that, like CrateDB, drops bad rows of a bulk statement without an error, and reports it for one row. */
class FakeTransport implements Transport {
  readonly dialect = CRATEDB;
  readonly statements: Statement[] = [];
  readonly stored = new Map<string, string | null>();
  mostInFlight = 0;
  #inFlight = 0;
  readonly #bad: ReadonlySet<string>;
  readonly #fail: (statement: Statement) => Error | undefined;

  constructor({ bad = [], fail = () => undefined }: {
    bad?: Iterable<string>;
    fail?: (statement: Statement) => Error | undefined;
  } = {}) {
    this.#bad = new Set(bad);
    this.#fail = fail;
  }

  async query(sql: string, parameters: readonly Parameter[] = []): Promise<Result> {
    const statement = { sql, parameters, oids: (parameters[0] ?? []) as readonly string[] };
    this.statements.push(statement);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.#inFlight);
    await setImmediate();
    this.#inFlight--;
    const failure = this.#fail(statement);
    if (failure) throw failure;
    if (!sql.startsWith("INSERT")) return { count: 0, rows: [] };
    const bulk = sql.includes("UNNEST");
    const { json } = parameters[1] as JsonArray;
    const good = [...statement.oids.entries()].filter(([, oid]) => !this.#bad.has(oid));
    if (!bulk && good.length === 0) {
      throw new SinkError(`no row for ${statement.oids[0]}`, { code: "4000" });
    }
    for (const [index, oid] of good) this.stored.set(oid, textOf(json[index] ?? null));
    return { count: good.length, rows: [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  get inserts(): readonly Statement[] {
    return this.statements.filter(({ sql }) => sql.startsWith("INSERT"));
  }
}

const textOf = (json: Uint8Array | null): string | null => json && jsonOfBytes(json);

const TABLE = { schema: "doc", name: "t", hasOverflow: true };
const LIMITS: WriteLimits = { statementRows: 10, statementBytes: 1_000_000, inFlight: 3 };
const row = (index: number, data = `{"n":${index}}`): Row => ({
  oid: `k${index}`,
  data: jsonBytes(data),
  overflow: null,
});
const rows = (count: number): Row[] => Array.from({ length: count }, (_, index) => row(index));

Deno.test("Writer.upsert() writes each row once, in bulk", async () => {
  const transport = new FakeTransport();
  assert.deepEqual(await new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(95)), []);
  assert.deepEqual(transport.stored, new Map(rows(95).map(({ oid, data }) => [oid, textOf(data)])));
  assert.deepEqual(
    transport.inserts.map(({ oids }) => oids.length).sort((one, other) => other - one),
    [10, 10, 10, 10, 10, 10, 10, 10, 10, 5],
  );
});

Deno.test("Writer.upsert() of nothing sends nothing", async () => {
  const transport = new FakeTransport();
  assert.deepEqual(await new Writer(transport, TABLE, { limits: LIMITS }).upsert([]), []);
  assert.deepEqual(transport.statements, []);
});

for (const inFlight of [1, 3]) {
  Deno.test(`Writer.upsert() has ${inFlight} statements in flight, and no more`, async () => {
    const transport = new FakeTransport();
    await new Writer(transport, TABLE, { limits: { ...LIMITS, inFlight } }).upsert(rows(95));
    assert.equal(transport.mostInFlight, inFlight);
  });
}

Deno.test("Writer limits the statements in flight of several callers together", async () => {
  const transport = new FakeTransport();
  const writer = new Writer(transport, TABLE, { limits: LIMITS });
  const oids = rows(95).map(({ oid }) => oid);
  await Promise.all([
    writer.upsert(rows(95)),
    writer.upsert(rows(95)),
    writer.delete(oids.map((oid) => ({ oid }))),
  ]);
  assert.equal(transport.mostInFlight, LIMITS.inFlight + 1, "those, and the refresh before the deletes");
});

Deno.test("Writer.upsert() keeps a statement within its bytes, a larger single row aside", async () => {
  const transport = new FakeTransport();
  const large = `{"s":"${"x".repeat(200)}"}`;
  const limits = { ...LIMITS, statementBytes: 36, inFlight: 1 };
  await new Writer(transport, TABLE, { limits }).upsert([row(0), row(1), row(2), row(3, large), row(4)]);
  assert.deepEqual(transport.inserts.map(({ oids }) => oids), [["k0", "k1", "k2"], ["k3"], ["k4"]]);
});

Deno.test("Writer.upsert() measures bytes, not letters", async () => {
  const transport = new FakeTransport();
  const limits = { ...LIMITS, statementBytes: 100, inFlight: 1 };
  const wide = `"${"\u{20ac}".repeat(20)}"`;
  await new Writer(transport, TABLE, { limits }).upsert([row(0, wide), row(1, wide)]);
  assert.equal(transport.inserts.length, 2);
});

Deno.test("Writer.upsert() keeps a statement of short and long rows within its bytes, and fills it", async () => {
  const transport = new FakeTransport();
  const limits = { statementRows: 10, statementBytes: 300, inFlight: 1 };
  const mixed = Array.from(
    { length: 40 },
    (_, at) => row(at, `"${"\u{20ac}".repeat(at % 3 === 0 ? 20 : 1)}"`),
  );
  await new Writer(transport, TABLE, { limits }).upsert(mixed);
  const sizes = transport.inserts.map(({ oids, parameters }) =>
    [...oids, ...(parameters[1] as JsonArray).json].reduce(
      (sum, text) => sum + (text?.length ?? 0),
      0,
    )
  );
  assert.deepEqual(sizes.filter((size) => size > 300), []);
  assert.ok(Math.max(...sizes) > 200, sizes.join());
});

const BAD: readonly (readonly [string, readonly number[]])[] = [
  ["one row", [7]],
  ["the first and the last", [0, 94]],
  ["neighbours", [41, 42]],
  ["a whole statement", [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]],
  ["every row", Array.from({ length: 95 }, (_, index) => index)],
];

for (const [what, indexes] of BAD) {
  Deno.test(`Writer.upsert() finds the rows at fault: ${what}`, async () => {
    const bad = indexes.map((index) => `k${index}`);
    const transport = new FakeTransport({ bad });
    const refused = await new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(95));
    assert.deepEqual(
      new Map(refused.map(({ oid, error }) => [oid, error])),
      new Map(bad.map((oid) => [oid, `no row for ${oid}`])),
    );
    assert.deepEqual(
      new Set(transport.stored.keys()),
      new Set(rows(95).map(({ oid }) => oid)).difference(new Set(bad)),
    );
  });
}

Deno.test("Writer.upsert() finds one row of many with few statements", async () => {
  const transport = new FakeTransport({ bad: ["k700"] });
  await new Writer(transport, TABLE, { limits: { ...LIMITS, statementRows: 1_024 } }).upsert(rows(1_024));
  assert.ok(transport.inserts.length <= 22, `${transport.inserts.length} statements`);
});

Deno.test("Writer.upsert() finds the row at fault when the bulk statement fails as a whole", async () => {
  const fail = ({ sql, oids }: Statement) =>
    sql.includes("UNNEST") && oids.includes("k3") ? new SinkError("bad value", { code: "4000" }) : undefined;
  const transport = new FakeTransport({ bad: ["k3"], fail });
  const refused = await new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(10));
  const reason = "CrateDB refuses the row (code 4000)";
  assert.deepEqual(refused, [{ oid: "k3", error: "no row for k3", reason, kind: "refused" }]);
  assert.equal(transport.stored.size, 9);
});

Deno.test("Writer.upsert() reports a row that was not stored without an error", async () => {
  const silent: Transport = {
    dialect: CRATEDB,
    query: () => Promise.resolve({ count: 0, rows: [] }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const refused = await new Writer(silent, TABLE, { limits: LIMITS }).upsert(rows(2));
  assert.deepEqual(refused.map(({ oid }) => oid), ["k0", "k1"]);
  for (const { error } of refused) assert.match(error, /no reason/);
});

const PASSED_ON: readonly (readonly [string, Error, string])[] = [
  ["a lost connection", new SinkError("connection refused", { code: "ECONNECT" }), "SinkError"],
  ["a missing privilege", new SinkError("no DML", { code: "42501" }), "UnusableTableError"],
  ["a table that is gone", new SinkError("unknown", { code: "4041" }), "UnusableTableError"],
  ["a schema that is gone", new SinkError("Schema 'doc' unknown", { code: "XX000" }), "UnusableTableError"],
  [
    "a column name that CrateDB cannot read",
    new SinkError("line 1:28: token recognition error at: '\"a\u0013'", { code: "XX000" }),
    "UnusableTableError",
  ],
  ["a fault of this program", new TypeError("oops"), "TypeError"],
];

for (const [what, failure, name] of PASSED_ON) {
  Deno.test(`Writer.upsert() blames no row for ${what}`, async () => {
    const transport = new FakeTransport({ fail: () => failure });
    const writer = new Writer(transport, TABLE, { limits: { ...LIMITS, inFlight: 1 } });
    await assert.rejects(writer.upsert(rows(10)), { name });
    assert.equal(transport.inserts.length, 1);
  });
}

Deno.test("Writer.upsert() omits overflow if the table has none", async () => {
  const transport = new FakeTransport();
  await new Writer(transport, { ...TABLE, hasOverflow: false }, { limits: LIMITS }).upsert(rows(1));
  const [statement] = transport.inserts;
  assert.doesNotMatch(statement?.sql ?? "", /overflow/);
  assert.equal(statement?.parameters.length, 2);
});

Deno.test("Writer never puts a key or a document into the statement's text", async () => {
  const transport = new FakeTransport();
  const writer = new Writer(transport, { ...TABLE, name: 'it"s' }, { limits: LIMITS });
  await writer.upsert([{
    oid: "'; DROP",
    data: jsonBytes('{"x":"DROP"}'),
    overflow: jsonBytes('{"y":"DROP"}'),
  }]);
  await writer.delete([{ oid: "'; DROP" }]);
  for (const { sql } of transport.statements) {
    assert.doesNotMatch(sql, /DROP/);
    assert.match(sql, /"doc"\."it""s"/);
  }
});

Deno.test("Writer.delete() refreshes first, then deletes every key in statements of limited size", async () => {
  const transport = new FakeTransport();
  const keys = rows(25).map(({ oid }) => oid);
  await new Writer(transport, TABLE, { limits: LIMITS }).delete(keys.map((oid) => ({ oid })));
  const [first, ...rest] = transport.statements;
  assert.match(first?.sql ?? "", /^REFRESH/);
  assert.deepEqual(rest.map(({ oids }) => oids.length), [10, 10, 5]);
  assert.deepEqual(rest.flatMap(({ oids }) => oids), keys);
  for (const { sql } of rest) assert.match(sql, /^DELETE .* WHERE oid = ANY/);
});

Deno.test("Writer.delete() of nothing sends nothing", async () => {
  const transport = new FakeTransport();
  await new Writer(transport, TABLE, { limits: LIMITS }).delete([]);
  assert.deepEqual(transport.statements, []);
});

const around = ({ dialect }: Transport, query: Transport["query"]): Transport => ({
  dialect,
  query,
  async [Symbol.asyncDispose]() {},
});

const NOT_ENOUGH = new SinkError("[doc.t][0] Not enough active copies to meet shard count of [2]", {
  code: "XX000",
});

Deno.test("Writer.upsert() tries one row alone when not a single row was written, and throws its reason", async () => {
  const statements: string[] = [];
  const transport: Transport = {
    dialect: CRATEDB,
    query: (sql) => {
      statements.push(sql);
      return sql.includes("UNNEST") ? Promise.resolve({ count: 0, rows: [] }) : Promise.reject(NOT_ENOUGH);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  await assert.rejects(new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(10)), NOT_ENOUGH);
  assert.equal(statements.length, 2);
});

Deno.test("Writer.upsert() writes the rest in bulk once the row alone is written", async () => {
  const transport = new FakeTransport();
  let isClosed = true;
  const closed = around(transport, async (...statement) => {
    if (isClosed && statement[0].includes("UNNEST")) return { count: 0, rows: [] };
    isClosed = false;
    return await transport.query(statement[0], statement[1]);
  });
  assert.deepEqual(await new Writer(closed, TABLE, { limits: LIMITS }).upsert(rows(9)), []);
  assert.deepEqual(transport.inserts.map(({ oids }) => oids.length), [1, 4, 4]);
  assert.equal(transport.stored.size, 9);
});

const UNKNOWN = new SinkError("something new", { code: "XX000" });

for (const count of [1, 10]) {
  Deno.test(`Writer.upsert() of ${count} throws an unknown error that an empty row meets too`, async () => {
    const transport = new FakeTransport({
      fail: ({ sql, parameters: [, data] }) => {
        if (!sql.startsWith("INSERT")) return undefined;
        const isEmpty = textOf((data as JsonArray).json[0] ?? null) === "{}";
        return isEmpty ? UNKNOWN : new SinkError("something new about secret", { code: UNKNOWN.code });
      },
    });
    await assert.rejects(new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(count)), {
      name: "UserError",
      message: 'CrateDB refuses to write to "doc"."t": something new',
    });
    assert.deepEqual(transport.statements.filter(({ sql }) => sql.startsWith("DELETE")), []);
  });
}

Deno.test("Writer.upsert() blames a row for an unknown error that an empty row does not meet", async () => {
  const fail = ({ sql, oids, parameters: [, data] }: Statement) =>
    sql.startsWith("INSERT") && oids.includes("k3") && textOf((data as JsonArray).json[0] ?? null) !== "{}"
      ? UNKNOWN
      : undefined;
  const transport = new FakeTransport({ fail });
  const refused = await new Writer(transport, TABLE, { limits: LIMITS }).upsert(rows(10));
  const reason = `CrateDB refuses the row (code ${UNKNOWN.code})`;
  assert.deepEqual(refused, [{ oid: "k3", error: "something new", reason, kind: "unspecific" }]);
  const deleted = transport.statements.filter(({ sql }) => sql.startsWith("DELETE"));
  assert.deepEqual(deleted.map(({ sql, parameters }) => [sql, parameters]), [
    ['DELETE FROM "doc"."t" WHERE oid = $1', ["k3"]],
  ]);
});

for (const kind of ["foreign server", "tls"] as const) {
  Deno.test(`Writer.upsert() blames no row for an answer of the kind ${kind}`, async () => {
    const error = new SinkError("HTTP status 404", { code: "404", kind });
    const transport = new FakeTransport({ fail: () => error });
    await assert.rejects(
      new Writer(transport, TABLE, { limits: { ...LIMITS, inFlight: 1 } }).upsert(rows(10)),
      error,
    );
    assert.equal(transport.inserts.length, 1);
  });
}

Deno.test("Writer gives the deletion of all rows more time than other statements", async () => {
  const limits: unknown[] = [];
  const transport = new FakeTransport();
  const spied = around(transport, (sql, parameters, options) => {
    if (sql.startsWith("DELETE")) limits.push(options?.limitMs);
    return transport.query(sql, parameters);
  });
  const writer = new Writer(spied, TABLE, { limits: LIMITS });
  await writer.truncate();
  await writer.delete([{ oid: "k1" }]);
  assert.deepEqual(limits, [24 * 60 * 60_000, undefined]);
});

/** A partitioned table whose rows are in these partitions. */
function partitioned(stored: Readonly<Record<string, string>>, more: Partial<TargetTable> = {}) {
  const sent: [sql: string, parameters: readonly Parameter[]][] = [];
  const transport: Transport = {
    dialect: CRATEDB,
    query: (sql, parameters = []) => {
      sent.push([sql.replaceAll(/"doc"."t"|::array\(\w+\)|::bigint/g, ""), parameters]);
      const isRead = sql.startsWith("SELECT");
      const oids = parameters[0] as readonly string[];
      const rows = Object.entries(stored).filter(([key]) => isRead && oids.includes(key.split(" ")[0] ?? ""));
      const count = sql.startsWith("INSERT") ? oids.length : 0;
      return Promise.resolve({ count, rows: rows.map(([key, part]) => [key.split(" ")[0], part]) });
    },
    async [Symbol.asyncDispose]() {},
  };
  const table = { ...TABLE, partType: "bigint", ...more } as const;
  return { writer: new Writer(transport, table, { limits: LIMITS }), sent };
}

const rowIn = (oid: string, part: string): Row => ({ oid, part, data: jsonBytes("{}"), overflow: null });

Deno.test("Writer.upsert() writes the partition as a part of the key", async () => {
  const { writer, sent } = partitioned({});
  await writer.upsert([rowIn("a", "0"), rowIn("b", "-1")]);
  const [[sql = "", parameters = []] = []] = sent;
  assert.match(
    sql,
    /\(oid, data, overflow, part\) .* ON CONFLICT \(oid, part\) DO UPDATE SET data = excluded\.data, /,
  );
  assert.doesNotMatch(sql, /part = excluded/);
  assert.deepEqual(parameters.at(-1), ["0", "-1"]);
});

Deno.test("Writer.upsert() writes the columns beside data, null for a row without", async () => {
  const shadows = { geo: { kind: "object" }, vector: { kind: "object" } } as const;
  const { writer, sent } = partitioned({}, { shadows });
  const geo = jsonBytes('{"at":[1,2]}');
  await writer.upsert([{ ...rowIn("a", "0"), shadows: { geo, vector: null } }, rowIn("b", "0")]);
  const [[sql = "", parameters = []] = []] = sent;
  assert.match(
    sql,
    /\(oid, data, overflow, geo, vector, part\) .* geo = excluded\.geo, vector = excluded\.vector$/,
  );
  assert.deepEqual(parameters.slice(3, 5), [{ json: [geo, null] }, { json: [null, null] }]);
});

Deno.test("Writer.delete() searches the partitions of the keys, or all if that of one is not known", async () => {
  const { writer, sent } = partitioned({});
  await writer.delete([{ oid: "a", part: "0" }, { oid: "b", part: "5" }, { oid: "c", part: "0" }]);
  await writer.delete([{ oid: "a", part: "0" }, { oid: "b" }]);
  const [, [sql, parameters] = [], , [all, some] = []] = sent;
  assert.equal(sql, "DELETE FROM  WHERE oid = ANY($1) AND part = ANY($2)");
  assert.deepEqual(parameters, [["a", "b", "c"], ["0", "5"]]);
  assert.equal(all, "DELETE FROM  WHERE oid = ANY($1)");
  assert.deepEqual(some, [["a", "b"]]);
});

Deno.test("Writer.deleteMoved() deletes only what rows have left, one partition after the other", async () => {
  const { writer, sent } = partitioned({
    "a": "0",
    "a new": "5",
    "b": "5",
    "b new": "0",
    "c": "5",
    "d": "0",
    "e": "9",
  });
  await writer.deleteMoved([rowIn("a", "5"), rowIn("b", "0"), rowIn("c", "5"), rowIn("d", "7")]);
  assert.deepEqual(sent.map(([sql, parameters]) => [sql.split(" ")[0], ...parameters]), [
    ["REFRESH"],
    ["SELECT", ["a", "b", "c", "d"]],
    ["DELETE", ["a", "d"], ["0"]],
    ["DELETE", ["b"], ["5"]],
  ]);
});

Deno.test("Writer.deleteMoved() of nothing sends nothing", async () => {
  const { writer, sent } = partitioned({});
  await writer.deleteMoved([]);
  assert.deepEqual(sent, []);
});

/** A table with rows that are not marked. It marks none of `refused`, and gives no error. */
function tableOf(rows: readonly string[], { refused = [], passing = [] }: {
  readonly refused?: readonly string[];
  /** Those that it does not mark at the first time. */
  readonly passing?: readonly string[];
} = {}) {
  const live = new Set(rows);
  const left = new Set(passing);
  const sent: string[] = [];
  const transport = around(new FakeTransport(), (sql, [oids = [], mark] = []) => {
    const keys = (oids as string[]).filter((oid) => live.has(oid));
    const answer = (count: number, rows: unknown[][] = []) => Promise.resolve({ count, rows });
    if (sql.startsWith("SELECT")) return answer(keys.length, keys.map((oid) => [oid]));
    const done = sql.startsWith("INSERT")
      ? keys.filter((oid) => !refused.includes(oid) && !left.delete(oid))
      : keys;
    const text = mark && jsonOfBytes((mark as JsonArray).json[0] as Uint8Array);
    sent.push([sql.split(" ")[0], ...done, ...text ? [text] : []].join(" "));
    for (const oid of done) live.delete(oid);
    return answer(done.length);
  });
  const table = { ...TABLE, cdc: "clear" as const };
  return { writer: new Writer(transport, table, { limits: { ...LIMITS, inFlight: 1 } }), sent };
}

const marks = (...oids: string[]) => oids.map((oid) => ({ oid, cdc: MARK }));
const MARK = jsonBytes("{}");

Deno.test("Writer.delete() marks rows that have a mark, with one statement for each, after one refresh", async () => {
  const { writer, sent } = tableOf(["a", "b", "c", "d"]);
  const other = jsonBytes('{"deleted_at":2}');
  await writer.delete([
    ...marks("a", "marked before"),
    { oid: "b" },
    { oid: "c", cdc: other },
    ...marks("d"),
  ]);
  assert.deepEqual(sent, ["REFRESH", "INSERT a d {}", "DELETE b", 'INSERT c {"deleted_at":2}']);
  await writer.delete(marks("a", "d"));
  assert.deepEqual(sent.slice(4), ["REFRESH"]);
});

Deno.test("Writer.delete() marks one row of a key in two partitions, and finds the deleted one no more", async () => {
  const sent: string[] = [];
  let rows = [["a", "0"], ["a", "5"]];
  const transport = around(new FakeTransport(), (sql, [, parts] = []) => {
    const [statement = ""] = sql.split(" ");
    sent.push(statement);
    if (statement === "DELETE") rows = rows.filter(([, part]) => part !== String(parts));
    return Promise.resolve({ count: rows.length, rows });
  });
  const table = { ...TABLE, cdc: "clear", partType: "bigint" } as const;
  await new Writer(transport, table, { limits: LIMITS }).delete(marks("a"));
  assert.deepEqual(rows, [["a", "5"]]);
  const searches = ["REFRESH", "SELECT", "REFRESH", "SELECT", "DELETE", "REFRESH", "SELECT"];
  assert.deepEqual(sent, [...searches, "INSERT"]);
});

Deno.test("Writer.delete() marks again what was not marked without an error, and then deletes it", async () => {
  const { writer, sent } = tableOf(["a", "b", "c"], { passing: ["b"], refused: ["c"] });
  await writer.delete(marks("a", "b", "c"));
  assert.deepEqual(sent, ["REFRESH", "INSERT a {}", "REFRESH", "INSERT b {}", "REFRESH", "DELETE c"]);
});

Deno.test("Writer.upsert() sets or clears the column cdc, or leaves it alone", async () => {
  const statement = async (cdc?: "set" | "clear") => {
    const transport = new FakeTransport();
    const row = { oid: "a", data: jsonBytes("{}"), overflow: null, cdc: jsonBytes('{"op":"insert"}') };
    await new Writer(transport, { ...TABLE, cdc }, { limits: LIMITS }).upsert([row]);
    const [{ sql = "", parameters = [] } = {}] = transport.inserts;
    return [/DO UPDATE SET (.*)/.exec(sql)?.[1], parameters.length];
  };
  const plain = "data = excluded.data, overflow = excluded.overflow";
  assert.deepEqual(await statement(), [plain, 3]);
  assert.deepEqual(await statement("clear"), [`${plain}, cdc = NULL`, 3]);
  assert.deepEqual(await statement("set"), [`${plain}, cdc = excluded.cdc`, 4]);
});
