import assert from "node:assert/strict";
import { type Column, objectColumn, setColumn } from "../../../../lib/mapping/column_tree.ts";
import type { Kind } from "../../../../lib/mapping/column_types.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { Result, Transport } from "../../../../lib/sink/connection/transport.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { columnTree, typeText } from "../../../../lib/sink/table/column_definition.ts";
import { TableSchema } from "../../../../lib/sink/columns/table_schema.ts";
import { type LogFields, type Logger, QUIET } from "../../../../lib/util/log.ts";

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
  limit = 1000;
  readonly #columns = objectColumn();
  overflow: Column | undefined = of("ignored");
  /** What becomes of an `ALTER TABLE`. */
  alter: (names: readonly string[], make: () => void) => void = (_, make) => make();

  query(sql: string): Promise<Result> {
    if (sql.startsWith("SHOW CREATE")) return Promise.resolve({ count: 1, rows: [[this.definition]] });
    this.alters.push(sql);
    const added = [
      ...sql.replaceAll(/\n */g, "").matchAll(/ADD COLUMN data((?:\['\w+'\])+) (.*?)(?=, ADD COLUMN|$)/g),
    ]
      .map(([, path = "", type = ""]) => ({ path: path.slice(2, -2).split("']['"), type }));
    try {
      this.alter(
        added.map(({ path }) => path.join(".")),
        () => added.forEach(({ path, type }) => setColumn(this.#columns, path, parsed(type))),
      );
      return Promise.resolve({ count: 1, rows: [] });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  has(name: string): boolean {
    return this.#columns.children.has(name);
  }

  make(name: string, type: string): void {
    setColumn(this.#columns, [name], parsed(type));
  }

  drop(name: string): void {
    this.#columns.children.delete(name);
  }

  get definition(): string {
    const overflow = this.overflow && { overflow: this.overflow };
    const columns = printed(object({ oid: of("text"), data: this.#columns, ...overflow }), "   ");
    return `CREATE TABLE IF NOT EXISTS "doc"."t" (\n${columns}\n)\nWITH (\n   "mapping.total_fields.limit" = ${this.limit}\n)`;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A type as the relay writes it, without line breaks. */
function parsed(type: string): Column {
  const [, inner] = /^OBJECT\(DYNAMIC\) AS \((.*)\)$/.exec(type) ?? [];
  if (inner === undefined) {
    return columnTree([{ path: ["data", "x"], type }]).children?.get("x") ?? objectColumn();
  }
  const columns = [...inner.matchAll(/"(\w+)" ([A-Z ()]+)/g)];
  return object(Object.fromEntries(columns.map(([, name = "", type = ""]) => [name, parsed(type)])));
}

/** Columns as the server prints them, one per line. */
const printed = ({ children }: Column, indent: string): string =>
  [...children ?? []].map(([name, column]) =>
    column.children?.size
      ? `${indent}"${name}" OBJECT(DYNAMIC) AS (\n${printed(column, `${indent}   `)}\n${indent})`
      : `${indent}"${name}" ${typeText(column)}`
  ).join(",\n");

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
  const needed = ["oid", "data", "overflow"];
  const schema = new TableSchema(table, {
    table: { schema: "doc", name: "t" },
    inferred: false,
    needed,
    log,
  });
  await schema.load();
  return { schema, warnings };
}

const WANTED = object({ a: of("bigint"), b: of("text"), c: of("double") });

Deno.test("TableSchema.add() uses columns at once that were created although the server answered an error", async () => {
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

Deno.test("TableSchema.add() creates the missing columns if some exist", async () => {
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

Deno.test("TableSchema.add() refuses one column of many, and logs that once", async () => {
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
    fields: { table: '"doc"."t"', column: "data['b']", error: REFUSED.message },
  }]);
});

Deno.test("TableSchema.load() uses a refused column that is created later", async () => {
  const table = new FakeTable();
  table.alter = () => {
    throw TIMED_OUT;
  };
  const { schema } = await opened(table);
  await schema.add(object({ a: of("bigint") }));
  assert.deepEqual(schema.columns, object({ a: of("unfit") }));
  table.make("a", "BIGINT");
  const before = schema.version;
  await schema.load();
  assert.deepEqual(schema.columns, object({ a: of("bigint") }));
  assert.equal(schema.version, before + 1);
  await schema.load();
  assert.equal(schema.version, before + 1);
});

Deno.test("TableSchema.add() throws an error that passes", async () => {
  const table = new FakeTable();
  const lost = new SinkError("connection lost", { code: "ECONNRESET" });
  table.alter = () => {
    throw lost;
  };
  const { schema } = await opened(table);
  await assert.rejects(schema.add(WANTED), lost);
  assert.deepEqual(schema.columns, objectColumn());
});

Deno.test("TableSchema.add() logs once that an object has its share, and closes it", async () => {
  const table = new FakeTable();
  const { schema, warnings } = await opened(table);
  const keys = (from: number, name: string) =>
    Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`${name}${n + from}`, of("bigint")]));
  for (let batch = 0; batch < 5; batch++) {
    await schema.add(object({ o: object({ ...keys(400 * batch, "k"), total: of("bigint") }) }));
  }
  assert.equal(schema.columnAt(["o"])?.closed, true);
  assert.equal(table.alters.length, 1);
  assert.deepEqual(warnings, [{
    message: "An object has its share of the table's columns; new keys in it go to overflow",
    fields: {
      table: '"doc"."t"',
      column: "data['o']",
      key: "k332",
      hint: 'ALTER TABLE … SET ("mapping.total_fields.limit" = 2000)',
    },
  }]);

  table.limit = 2000;
  await schema.load();
  assert.equal(schema.columnAt(["o"])?.closed, undefined);
  await schema.add(object({ o: object({ later: of("text") }) }));
  assert.deepEqual(schema.columnAt(["o", "later"]), of("text"));
});

Deno.test("TableSchema.add() creates no column that the table has no room for", async () => {
  const table = new FakeTable();
  table.limit = 5;
  const { schema, warnings } = await opened(table);
  await schema.add(WANTED);
  await schema.add(WANTED);
  assert.deepEqual(schema.columns, {
    ...object({ a: of("bigint"), b: of("text") }),
    closed: true,
  });
  assert.equal(table.alters.length, 1);
  assert.deepEqual(warnings.map(({ message, fields: { column } }) => [message, column]), [
    ["The table has no room for further columns; new keys go to overflow", "data['c']"],
  ]);
});

const ID = "507f1f77bcf86cd799439011";

Deno.test("TableSchema.add() creates one column for a map, and logs its name", async () => {
  const table = new FakeTable();
  const { schema, warnings } = await opened(table);
  await schema.add(object({ likes: object({ [ID]: of("bigint") }), status: of("text") }));
  assert.deepEqual(schema.columns, object({ likes: of("ignored"), status: of("text") }));
  assert.deepEqual(warnings, [{
    message: "An object with ids as keys is a map; its keys get no columns",
    fields: { table: '"doc"."t"', column: "data['likes']", type: "OBJECT(IGNORED)" },
  }]);
});

Deno.test("TableSchema.add() creates no columns for ids among names, and logs that once", async () => {
  const table = new FakeTable();
  const { schema, warnings } = await opened(table);
  for (let n = 0; n < 3; n++) {
    await schema.add(object({ [ID]: of("text"), o: object({ [ID]: of("bigint"), a: of("text") }) }));
    await schema.load();
  }
  assert.deepEqual(schema.columns, {
    ...object({ o: { ...object({ a: of("text") }), hasIds: true } }),
    hasIds: true,
  });
  assert.equal(table.alters.length, 1);
  assert.deepEqual(warnings.map(({ fields: { column } }) => column), ["data", "data['o']"]);
});

Deno.test("TableSchema.load() warns once of columns that were dropped or renamed, and creates them again", async () => {
  const table = new FakeTable();
  const { schema, warnings } = await opened(table);
  await schema.add(object({ a: of("bigint"), o: object({ x: of("text"), y: of("text") }) }));
  table.drop("o");
  table.drop("a");
  table.make("b", "BIGINT");
  await schema.load();
  await schema.load();
  assert.deepEqual(warnings, [{
    message:
      "Columns were dropped or renamed; rows written before lack their values until a snapshot writes them again",
    fields: {
      table: '"doc"."t"',
      columns: "data['a'], data['o']",
      hint: "--snapshot always, or verify --repair",
    },
  }]);
  await schema.add(object({ a: of("double") }));
  assert.deepEqual(schema.columns, object({ a: of("double"), b: of("bigint") }));
});

for (
  const [what, overflow, why] of [
    ["adds a column below overflow", object({ n: of("bigint") }), /its `overflow` is not a plain OBJECT/],
    ["drops overflow", undefined, /its column `overflow` was dropped/],
  ] as const
) {
  Deno.test(`TableSchema.load() refuses the table after a user ${what}`, async () => {
    const table = new FakeTable();
    const { schema } = await opened(table);
    table.overflow = overflow;
    const refusal = { name: "UnusableTableError", message: why };
    await assert.rejects(schema.load(), refusal);
    await assert.rejects(schema.load(), refusal);
    table.overflow = of("ignored");
    await schema.load();
  });
}

Deno.test("TableSchema.load() refuses the table after a rebuild has given it other partitions", async () => {
  const definition = (key: string, rest = "") =>
    `CREATE TABLE "doc"."t" (\n   "oid" TEXT NOT NULL,\n   "part" TEXT NOT NULL,\n   "data" OBJECT(DYNAMIC),\n` +
    `   PRIMARY KEY (${key})\n)${rest}`;
  const options = { table: { schema: "doc", name: "t" }, inferred: false, log: QUIET } as const;
  const schema = new TableSchema(new FakeTable(), { ...options, partitions: "none" });
  await schema.load(definition('"oid"'));
  await assert.rejects(schema.load(definition('"oid", "part"', '\nPARTITIONED BY ("part")')), {
    name: "UnusableTableError",
    message: /`oid` is not its primary key/,
    hint: /run rebuild DATABASE\.COLLECTION with its options/,
  });
});
