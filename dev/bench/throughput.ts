/**
 * How fast the relay takes a snapshot and applies inserts, beside the rate at which the sink takes the same rows
 * ready-made, in one run on the same servers. The ratio is what counts; the times are those of this machine.
 *
 * deno task bench [documents]
 */
import { type Document, MongoClient } from "mongodb";
import { BSON } from "mongodb";
import { generate } from "../../lib/workload/workload.ts";
import { workloadConfig } from "../../lib/cli/config.ts";
import { inferDocumentColumns } from "../../lib/mapping/column_tree.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";
import { openTable } from "../../lib/sink/table/target_table.ts";
import { TableSchema } from "../../lib/sink/table/table_schema.ts";
import { quoteTable } from "../../lib/sink/table/sql_names.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { type Transport } from "../../lib/sink/connection/transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { Writer } from "../../lib/sink/table/writer.ts";
import { createLogger } from "../../lib/util/log.ts";
import { eventually } from "../servers/eventually.ts";
import { startCratedb } from "../servers/start_cratedb.ts";
import { startMongodb } from "../servers/start_mongodb.ts";
import { mostMemory } from "../process/most_memory.ts";
import { type Running, start } from "../process/program.ts";

const documents = Number(Deno.args[0] ?? 20_000);
const schema = `bench_${crypto.randomUUID().slice(0, 8)}`;
const log = createLogger({ format: "text", level: "warn" });

await using mongodb = await startMongodb();
await using cratedb = await startCratedb({ javaOptions: "" });
await using client = new MongoClient(mongodb.url);
print(mongodb.description, cratedb.description, `${documents} documents`, "");

const records = [...generate(workloadConfig({ flags: { count: String(documents), seed: "1" }, env: {} }))]
  .flatMap(({ write }) => "insertOne" in write ? [write.insertOne.document as Document] : []);

for (const url of [cratedb.httpUrl, cratedb.wireUrl]) {
  const address = parseSinkUrl(url);
  await using transport = await openTransport(address);
  await ceiling(transport, `warm_${address.transport}`);
  const most = await ceiling(transport, `ceiling_${address.transport}`);
  const seen = await relayed(transport, url, `relay_${address.transport}`);
  const { seconds: taken, memory } = await snapshot(transport, url, `snapshot_${address.transport}`);
  print(
    `${address.transport}: ceiling ${rate(most)} rows a second`,
    `  from insert to visible row: ${rate(seen)} documents a second, ratio ${(most / seen).toFixed(2)}`,
    `  snapshot: ${rate(taken)} documents a second, ratio ${(most / taken).toFixed(2)}, ${memory} at most`,
    "",
  );
}

async function ceiling(transport: Transport, name: string): Promise<number> {
  const table = await openTable(transport, { table: { schema, name }, columns: "typed" });
  const tableSchema = new TableSchema(transport, { table, log, inferred: false });
  await tableSchema.load();
  const bson = records.map((record) => BSON.serialize(record));
  const wanted = bson[0] && inferDocumentColumns(bson[0]);
  if (wanted) await tableSchema.add(wanted);
  const rows = bson.map((bytes, index) => ({
    oid: String(index),
    ...splitDocument(bytes, tableSchema.columns),
  }));
  const writer = new Writer(transport, table, {
    statementRows: 2_500,
    statementBytes: 4 * 2 ** 20,
    inFlight: 4,
  });
  const started = performance.now();
  await writer.upsert(rows);
  await writer.refresh();
  const seconds = (performance.now() - started) / 1_000;
  await transport.query(`DROP TABLE ${quoteTable(table)}`);
  return seconds;
}

/** From the start of the snapshot to its end, and the most memory that the process has had. */
async function snapshot(transport: Transport, url: string, name: string) {
  await client.db(schema).collection(name).insertMany(records, { ordered: false });
  await using relay = startRelay(url, name);
  await relay.waitForLine(/Following/);
  const started = performance.now();
  await relay.waitForLine(/Snapshot done/);
  const seconds = (performance.now() - started) / 1_000;
  const bytes = await mostMemory(relay.pid);
  const memory = bytes === undefined ? "memory unknown" : `${Math.round(bytes / 2 ** 20)} MB`;
  await relay.kill();
  await transport.query(`DROP TABLE ${quoteTable({ schema, name })}`);
  await client.db(schema).dropDatabase();
  return { seconds, memory };
}

function startRelay(url: string, name: string): Running {
  const args = ["--database", schema, "--collection", name, "--table", `${schema}.${name}`];
  return start(["cdc-relay", ...args], { env: { MONGODB_URL: mongodb.url, CRATEDB_URL: url } });
}

async function relayed(transport: Transport, url: string, name: string): Promise<number> {
  const table = { schema, name };
  await using relay = startRelay(url, name);
  await relay.waitForLine(/Ready/);
  const started = performance.now();
  await client.db(schema).collection(name).insertMany(records, { ordered: false });
  await eventually(async () => {
    const { rows: [row] } = await transport.query(`SELECT count(*) FROM ${quoteTable(table)}`);
    if (Number(row?.[0]) < documents) throw new Error(`${row?.[0]} of ${documents} rows after 2 minutes`);
  }, { timeout: 120_000 });
  const seconds = (performance.now() - started) / 1_000;
  await relay.kill();
  await transport.query(`DROP TABLE ${quoteTable(table)}`);
  await client.db(schema).dropDatabase();
  return seconds;
}

function rate(seconds: number): number {
  return Math.round(documents / seconds);
}

function print(...lines: string[]): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${lines.join("\n")}\n`));
}
