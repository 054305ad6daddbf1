import assert from "node:assert/strict";
import { type Column, objectColumn } from "../../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../../lib/mapping/column_kind.ts";
import { CRATEDB } from "../../../../lib/sink/connection/dialect.ts";
import type { Result } from "../../../../lib/sink/connection/query.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { TableSchema } from "../../../../lib/sink/table/table_schema.ts";
import type { LogFields, Logger } from "../../../../lib/util/log.ts";

const of = (kind: Kind): Column => ({ kind });
const object = (children: Readonly<Record<string, Column>> = {}): Column => ({
  kind: "object",
  children: new Map(Object.entries(children)),
});

const TIMED_OUT = new SinkError("The statement timed out [30s]", { code: "5000" });
const REFUSED = new SinkError("Names like that are not taken", { code: "4000" });
const EXISTS = new SinkError('The table doc.t already has a column named data["a"]', { code: "4000" });

/** A table in CrateDB: `ALTER TABLE` makes columns, and may fail before or after that. */
class FakeTable implements Transport {
  readonly dialect = CRATEDB;
  readonly alters: string[] = [];
  readonly #lines = new Map<string, string>();
  /** What becomes of an `ALTER TABLE`. */
  alter: (names: readonly string[], make: () => void) => void = (_, make) => make();

  query(sql: string): Promise<Result> {
    if (sql.startsWith("SHOW CREATE")) return Promise.resolve({ count: 1, rows: [[this.definition]] });
    this.alters.push(sql);
    const columns = [...sql.matchAll(/ADD COLUMN data\['(\w+)'\] ([A-Z ]+)/g)]
      .map(([, name = "", type = ""]) => [name, type.trim()] as const);
    try {
      const make = () => columns.forEach(([name, type]) => this.#lines.set(name, type));
      this.alter(columns.map(([name]) => name), make);
      return Promise.resolve({ count: 1, rows: [] });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  has(name: string): boolean {
    return this.#lines.has(name);
  }

  make(name: string, type: string): void {
    this.#lines.set(name, type);
  }

  get definition(): string {
    const lines = [...this.#lines].map(([name, type]) => `      "${name}" ${type}`);
    const data = lines.length === 0
      ? '   "data" OBJECT(DYNAMIC)'
      : `   "data" OBJECT(DYNAMIC) AS (\n${lines.join(",\n")}\n   )`;
    return `CREATE TABLE IF NOT EXISTS "doc"."t" (\n   "oid" TEXT NOT NULL,\n${data},\n   "overflow" OBJECT(IGNORED)\n)`;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface Warning {
  readonly message: string;
  readonly fields: LogFields;
}

async function opened(table: FakeTable) {
  const warnings: Warning[] = [];
  const ignore = () => {};
  const log: Logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (message, fields = {}) => warnings.push({ message, fields }),
  };
  const schema = new TableSchema(table, { table: { schema: "doc", name: "t" }, inferred: false, log });
  await schema.load();
  return { schema, warnings };
}

const WANTED = object({ a: of("bigint"), b: of("text"), c: of("double") });

Deno.test("TableSchema.add() uses columns at once that were made though the server answered an error", async () => {
  const table = new FakeTable();
  table.alter = (_, make) => {
    make();
    throw TIMED_OUT;
  };
  const { schema, warnings } = await opened(table);
  await schema.add(WANTED);
  assert.deepEqual(schema.columns, WANTED);
  assert.equal(table.alters.length, 1);
  assert.deepEqual(warnings, []);
});

Deno.test("TableSchema.add() makes the columns that are still missing when some are there", async () => {
  const table = new FakeTable();
  const { schema, warnings } = await opened(table);
  table.make("a", "BIGINT");
  table.make("b", "TEXT");
  table.alter = (names, make) => {
    if (names.some((name) => table.has(name))) throw EXISTS;
    make();
  };
  await schema.add(WANTED);
  assert.deepEqual(schema.columns, WANTED);
  assert.equal(table.alters.length, 2);
  assert.deepEqual(warnings, []);
});

Deno.test("TableSchema.add() refuses one column of many, and says so once", async () => {
  const table = new FakeTable();
  table.alter = (names, make) => {
    if (names.includes("b")) throw REFUSED;
    make();
  };
  const { schema, warnings } = await opened(table);
  await schema.add(WANTED);
  await schema.add(WANTED);
  assert.deepEqual(schema.columns, object({ a: of("bigint"), c: of("double"), b: of("unfit") }));
  assert.deepEqual(warnings, [{
    message: "CrateDB refused a column; its values go to overflow",
    fields: { column: "data['b']", error: REFUSED.message },
  }]);
});

Deno.test("TableSchema.load() uses a refused column that is made later", async () => {
  const table = new FakeTable();
  table.alter = () => {
    throw TIMED_OUT;
  };
  const { schema } = await opened(table);
  await schema.add(object({ a: of("bigint") }));
  assert.deepEqual(schema.columns, object({ a: of("unfit") }));
  table.make("a", "BIGINT");
  assert.equal(await schema.load(), true);
  assert.deepEqual(schema.columns, object({ a: of("bigint") }));
  assert.equal(await schema.load(), false);
});

Deno.test("TableSchema.add() throws what waiting cures", async () => {
  const table = new FakeTable();
  const lost = new SinkError("connection lost", { code: "ECONNRESET" });
  table.alter = () => {
    throw lost;
  };
  const { schema } = await opened(table);
  await assert.rejects(schema.add(WANTED), lost);
  assert.deepEqual(schema.columns, objectColumn());
});
