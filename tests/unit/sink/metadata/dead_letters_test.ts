import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { JsonArray, Parameter, Result, Transport } from "../../../../lib/sink/connection/transport.ts";
import { jsonOfBytes } from "../../../../lib/util/json_writer.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { type DeadLetter, DeadLetters } from "../../../../lib/sink/metadata/dead_letters.ts";

const OPTIONS = { schema: "doc", stream: "shop.orders -> doc.orders" };

interface Stored {
  readonly document: string | null;
  readonly error: string;
}

const refused = () => new SinkError("Cannot cast value", { code: "4000" });

/** `cdc_dead_letter` in a CrateDB whose parser takes few characters. */
class FakeTable implements Transport {
  readonly dialect = { ...CRATEDB, maxText: 400 };
  readonly rows = new Map<string, Stored>();
  readonly sent: string[] = [];
  /** What a letter with its document meets. */
  onDocument: (oid: string) => Error | undefined = () => undefined;
  /** A key that bulk statements leave out without an error. */
  leftOut: string | undefined;

  async query(sql: string, [, ...values]: readonly Parameter[] = []): Promise<Result> {
    await Promise.resolve();
    const verb =
      /^(?:INSERT.*(UNNEST)|INSERT|DELETE|SELECT count|SELECT 1|SELECT char_length|SELECT|REFRESH)/s
        .exec(sql);
    if (!verb) throw new Error(sql);
    if (!/^REFRESH|^SELECT 1/.test(sql)) this.sent.push(verb[1] ? "INSERT many" : verb[0]);
    if (sql.startsWith("INSERT")) return { count: this.#insert(verb[1] !== undefined, values), rows: [] };
    const [keys = []] = values;
    if (sql.startsWith("DELETE")) {
      return { count: (keys as string[]).filter((oid) => this.rows.delete(oid)).length, rows: [] };
    }
    if (sql.includes("count(*)")) return { count: 1, rows: [[this.rows.size]] };
    if (!sql.startsWith("SELECT")) return { count: 0, rows: [] };
    return { count: 0, rows: this.#select(sql, keys) };
  }

  #insert(isBulk: boolean, [oids, documents, errors]: readonly Parameter[]): number {
    const texts = isBulk
      ? (documents as JsonArray).json.map((json) => json && jsonOfBytes(json))
      : [documents];
    const rows = [oids].flat().map((oid, at) => ({
      oid: String(oid),
      document: texts[at] as string | null,
      error: String([errors].flat()[at]),
    })).filter(({ oid }) => !isBulk || oid !== this.leftOut);
    for (const { oid, document } of rows) {
      const failure = this.#failureAt(oid) ?? (document === null ? undefined : this.onDocument(oid));
      if (failure) throw failure;
    }
    for (const { oid, ...row } of rows) this.rows.set(oid, row);
    return rows.length;
  }

  #select(sql: string, keys: Parameter): unknown[][] {
    const limit = Number(/LIMIT (\d+)/.exec(sql)?.[1] ?? Infinity);
    const oids = [...this.rows.keys()].sort();
    if (sql.startsWith("SELECT 1")) return [];
    if (sql.startsWith("SELECT oid, oid")) {
      return oids.filter((oid) => keys === undefined || oid > String(keys)).slice(0, limit).map((
        oid,
      ) => [oid, oid]);
    }
    const wanted = sql.includes("ANY") ? oids.filter((oid) => (keys as string[]).includes(oid)) : oids;
    if (sql.startsWith("SELECT oid FROM")) return wanted.slice(0, limit).map((oid) => [oid]);
    return wanted.map((oid) => {
      const failure = this.#failureAt(oid);
      if (failure) throw failure;
      const { document = null } = this.rows.get(oid) ?? {};
      return [oid, sql.includes("char_length") ? document?.length ?? null : document];
    });
  }

  /** A text that is too long for the parser lets nothing read the row. */
  #failureAt(oid: string): Error | undefined {
    const isTooLong = (this.rows.get(oid)?.document?.length ?? 0) > this.dialect.maxText;
    return isTooLong
      ? new SinkError("String value length exceeds the maximum", { code: "XX000" })
      : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const letter = (oid: string, document: BSON.Document | null = { oid }, error = "refused"): DeadLetter => ({
  oid,
  document: document && BSON.serialize(document),
  error,
});

const oidsFrom = (count: number): string[] => Array.from({ length: count }, (_, at) => `k${at}`);

async function opened(rows: Readonly<Record<string, Stored>> = {}) {
  const table = new FakeTable();
  for (const [oid, row] of Object.entries(rows)) table.rows.set(oid, row);
  const letters = await DeadLetters.open(table, OPTIONS);
  table.sent.length = 0;
  return { table, letters };
}

Deno.test("DeadLetters writes and removes many with one statement, and asks nothing for other keys", async () => {
  const { table, letters } = await opened();
  const oids = oidsFrom(500);
  await letters.add(oids.map((oid) => letter(oid)));
  assert.deepEqual(table.rows.get("k7"), { document: '{"oid":"k7"}', error: "refused" });
  assert.equal(table.rows.size, 500);
  await letters.resolve(["x", "y"]);
  await letters.resolve([...oids, "x"]);
  assert.deepEqual([table.sent, table.rows.size], [["INSERT many", "DELETE"], 0]);
});

Deno.test("DeadLetters keeps a letter without a document that is too long to be read", async () => {
  const { table, letters } = await opened();
  await letters.add([letter("long", { text: "x".repeat(500) }), letter("short")]);
  const long = table.rows.get("long");
  assert.equal(long?.document, null);
  assert.match(String(long?.error), /^refused The dead letter lacks its document/);
  assert.equal(table.rows.get("short")?.document, '{"oid":"short"}');
});

/** The answer of CrateDB to a dead letter with its document. */
const REFUSALS: Readonly<Record<string, () => SinkError>> = {
  "as a statement that it cannot parse": refused,
  "with an unspecific error": () => new SinkError("Something", { code: "XX000" }),
  "as too large": () => new SinkError("Too large", { code: "413" }),
  "as too many columns": () => new SinkError("Limit of total fields [1000] in x", { code: "5000" }),
};

for (const [how, failure] of Object.entries(REFUSALS)) {
  Deno.test(`DeadLetters keeps a letter without a document that CrateDB refuses ${how}`, async () => {
    const { table, letters } = await opened();
    table.onDocument = (oid) => oid === "b" ? failure() : undefined;
    await letters.add(["a", "b", "c"].map((oid) => letter(oid)));
    assert.deepEqual([...table.rows.values()].map(({ document }) => document), [
      '{"oid":"a"}',
      null,
      '{"oid":"c"}',
    ]);
    await letters.resolve(["b"]);
    assert.deepEqual([...table.rows.keys()], ["a", "c"]);
  });
}

Deno.test("DeadLetters does not give a document up for a CrateDB that is away", async () => {
  const { table, letters } = await opened();
  table.onDocument = () => new SinkError("connection closed", { code: "ECONNRESET" });
  await assert.rejects(letters.add([letter("a")]), /connection closed/);
  assert.equal(table.rows.size, 0);
});

for (const kind of ["foreign server", "login", "tls", "privilege"] as const) {
  Deno.test(`DeadLetters does not give a document up for an error of the kind "${kind}"`, async () => {
    const { table, letters } = await opened();
    table.onDocument = () => new SinkError("no", { kind });
    await assert.rejects(letters.add([letter("a")]), { name: "SinkError", kind });
    assert.equal(table.rows.size, 0);
  });
}

Deno.test("DeadLetters writes a letter alone that a bulk statement leaves out", async () => {
  const { table, letters } = await opened();
  table.leftOut = "b";
  await letters.add(["a", "b"].map((oid) => letter(oid)));
  assert.deepEqual([...table.rows.keys()], ["a", "b"]);
});

Deno.test("DeadLetters writes over a letter that cannot be read", async () => {
  const { table, letters } = await opened({ old: { document: "x".repeat(500), error: "earlier" } });
  await letters.add([letter("old")]);
  assert.match(String(table.rows.get("old")?.error), /^refused/);
});

Deno.test("DeadLetters keeps the beginning of an error, and no character that a text cannot have", async () => {
  const { table, letters } = await opened();
  await letters.add([letter("a", null, `a\0b\ud800c${"x".repeat(9_000)}`)]);
  const { error = "", document } = table.rows.get("a") ?? {};
  assert.deepEqual([error.slice(0, 6), error.length, document], ["a\ufffdb\ufffdcx", 2_000, null]);
});

Deno.test("DeadLetters keeps a large document as its bytes, and reads them back", async () => {
  const { table, letters } = await opened();
  Object.assign(table.dialect, { maxText: 2 ** 24 });
  const large = letter("large", { text: "é".repeat(2 ** 20) });
  await letters.add([large]);
  assert.match(String(table.rows.get("large")?.document), /^\{"\$bson":"/);
  const [read] = (await Array.fromAsync(letters.read())).flat();
  assert.deepEqual(read, { oid: "large", document: large.document });
});

Deno.test("DeadLetters reads readable dead letters, and reports the others", async () => {
  const { letters } = await opened({
    a: { document: '{"_id":{"$numberInt":"1"}}', error: "" },
    b: { document: "x".repeat(500), error: "too long" },
    c: { document: null, error: "without" },
    d: { document: '{"half":', error: "edited" },
    e: { document: '{"_id":{"$numberInt":"2"}}', error: "" },
  });
  const read = (await Array.fromAsync(letters.read())).flat();
  const told = new Map(read.map((each) => [each.oid, "document" in each ? each.document : each.unreadable]));
  assert.deepEqual([...told.keys()].sort(), ["a", "b", "d", "e"]);
  assert.deepEqual([told.get("a"), told.get("e")], [1, 2].map((_id) => BSON.serialize({ _id })));
  assert.match(String(told.get("b")), /^CrateDB refuses to return its document \(code \w+\)$/);
  assert.equal(told.get("d"), "its document is not Extended JSON");
});

Deno.test("DeadLetters reads no more at once than memory has room for", async () => {
  const { table, letters } = await opened();
  Object.assign(table.dialect, { maxText: Infinity });
  const document = JSON.stringify({ text: "x".repeat(2 ** 20) });
  for (const oid of oidsFrom(9)) table.rows.set(oid, { document, error: "" });
  const pages = await Array.fromAsync(letters.read());
  assert.deepEqual(pages.map(({ length }) => length), [3, 3, 3]);
});

Deno.test("DeadLetters remembers no more keys than memory has room for, and asks for the others", async () => {
  const many = Object.fromEntries(oidsFrom(10_001).map((oid) => [oid, { document: null, error: "" }]));
  const { table, letters } = await opened(many);
  await letters.resolve(["x"]);
  await letters.resolve(["k1", "x", "k2"]);
  assert.deepEqual([table.sent, table.rows.size], [["SELECT", "SELECT", "DELETE"], 9_999]);
  await Array.fromAsync(letters.read());
  table.sent.length = 0;
  await letters.resolve(["x"]);
  assert.deepEqual(table.sent, []);
});

Deno.test("DeadLetters lists keys page by page", async () => {
  const { letters } = await opened(
    Object.fromEntries(oidsFrom(5).map((oid) => [oid, { document: null, error: "" }])),
  );
  assert.deepEqual(await Array.fromAsync(letters.keys(2)), [["k0", "k1"], ["k2", "k3"], ["k4"]]);
  assert.equal(await letters.count(), 5);
});
