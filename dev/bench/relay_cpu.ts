/**
 * Microseconds of processor time that a change takes on its way through the relay, without servers:
 *
 *     deno run -A dev/bench/relay_cpu.ts [changes]
 */
import process from "node:process";
import { BSON, type Document } from "mongodb";
import { fieldsByName } from "../../lib/bson/bson.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { type Column, inferDocumentColumns } from "../../lib/mapping/column_tree.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";
import { byNamespace } from "../../lib/util/namespace.ts";
import { coalesce } from "../../lib/pipeline/collections/coalesce.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { HttpTransport } from "../../lib/sink/connection/http.ts";
import type { Parameter, Transport } from "../../lib/sink/connection/transport.ts";
import { Writer } from "../../lib/sink/table/writer.ts";
import { batchesOf } from "../../lib/source/stream/change_stream.ts";
import { Scope } from "../../lib/source/documents/scope.ts";
import { SplitEvents } from "../../lib/source/stream/split_events.ts";

const CHANGES = Number(Deno.args[0] ?? 600_000);

interface Shape {
  readonly document: (index: number) => Document;
  /** Events in one reply. */
  readonly events: number;
  readonly changes: number;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  small: {
    changes: CHANGES,
    events: 10_000,
    document: (index) => ({
      _id: new BSON.ObjectId(),
      id: (index % 2 ** 16).toString(16),
      data: { temperature: new BSON.Double(index % 4_000 / 100), humidity: new BSON.Double(84.84) },
      meta: { timestamp: new Date(1_720_739_862_000 + index), device: "foo", site: "north" },
      count: index,
    }),
  },
  "200 fields": {
    changes: CHANGES / 20,
    events: 1_000,
    document: (index) => ({
      _id: new BSON.ObjectId(),
      ...Object.fromEntries(
        Array.from({ length: 199 }, (_, at) => [`measured_${at}`, VALUES[at % VALUES.length]?.(index + at)]),
      ),
    }),
  },
};

const VALUES: readonly ((index: number) => unknown)[] = [
  (index) => index,
  (index) => new BSON.Double(index / 100),
  (index) => `text of ${index}`,
  (index) => new Date(1_720_739_862_000 + index),
  (index) => index % 2 === 0,
];

/** CrateDB's endpoint, which takes the bytes of a body and stores every row. */
class Endpoint implements Transport {
  readonly #http = new HttpTransport(parseSinkUrl("crate://"));
  readonly dialect = this.#http.dialect;
  bytes = 0;

  constructor() {
    globalThis.fetch = async (_, init) => {
      this.bytes += (await new Response(init?.body).arrayBuffer()).byteLength;
      return Response.json({ rowcount: this.#rows });
    };
  }

  #rows = 0;

  query(sql: string, parameters: readonly Parameter[] = []) {
    const [oids] = parameters;
    this.#rows = Array.isArray(oids) ? oids.length : 0;
    return this.#http.query(sql, parameters);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function eventOf(document: Document, index: number): Document {
  const second = (1_720_739_862 + (index >> 10)).toString(16);
  return {
    _id: { _data: `82${second}00000001`.toUpperCase().padEnd(150, "2B042C0100296E5A1004") },
    operationType: "insert",
    clusterTime: new BSON.Timestamp({ t: 1_720_739_862, i: index & 1023 }),
    wallTime: new Date(1_720_739_862_000 + index),
    fullDocument: document,
    ns: { db: "testdrive", coll: "data" },
    documentKey: { _id: document._id },
  };
}

/** A reply's batch of events, as an array in BSON. */
function replyOf({ document, events }: Shape) {
  const batch = Array.from({ length: events }, (_, index) => eventOf(document(index), index));
  const nextBatch = fieldsByName(BSON.serialize({ nextBatch: batch })).get("nextBatch");
  if (!nextBatch) throw new Error("No batch");
  return {
    cursorId: 1n,
    collection: "data",
    batch: nextBatch,
    token: BSON.serialize({ _data: "82" }),
    operationTime: undefined,
  };
}

interface Work {
  readonly reply: ReturnType<typeof replyOf>;
  readonly columns: Column;
  readonly events: number;
}

const TABLE = { schema: "doc", name: "t", hasOverflow: true };
const LIMITS = { statementRows: 2_500, statementBytes: 4 * 2 ** 20, inFlight: 4 };
const SCOPE = new Scope({ databases: ["testdrive"], collections: ["data"], exclude: [] });

/** Adds up the processor time of stages: that of the whole process, with its garbage collector. */
class Laps {
  readonly microseconds = new Map<string, number>();
  #since = 0;

  start(): void {
    this.#since = microsecondsUsed();
  }

  /** Ends a stage, and begins the next one. */
  end(stage: string): void {
    const now = microsecondsUsed();
    this.microseconds.set(stage, (this.microseconds.get(stage) ?? 0) + now - this.#since);
    this.#since = now;
  }
}

function microsecondsUsed(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Takes a reply the whole way, as often as needed for so many changes. */
async function relay(changes: number, { reply, columns, events }: Work): Promise<Laps> {
  const writer = new Writer(new Endpoint(), TABLE, LIMITS);
  const laps = new Laps();
  for (let done = 0; done < changes; done += events) {
    laps.start();
    const batches = [...batchesOf(reply, { split: new SplitEvents(), token: null })];
    laps.end("events");
    const followed = batches.flatMap(({ changes }) =>
      changes.filter((each) => SCOPE.includes(each.namespace))
    );
    const groups = byNamespace(followed);
    laps.end("scope, groups");
    const last = groups.flatMap((group) =>
      coalesce(group.map(({ id, document = null }) => ({ oid: keyText(id), document })))
    );
    laps.end("keys, coalesce");
    const rows = last.flatMap(({ oid, document }) => {
      if (!document) return [];
      const { data, overflow } = splitDocument(document, columns);
      return [{ oid, data, overflow }];
    });
    laps.end("split");
    const refused = await writer.upsert(rows);
    laps.end("write");
    if (rows.length - refused.length !== events) throw new Error("Not every change became a row");
  }
  return laps;
}

for (const [name, shape] of Object.entries(SHAPES)) {
  const { changes, events } = shape;
  const reply = replyOf(shape);
  const columns = inferDocumentColumns(BSON.serialize(shape.document(0))) ?? { kind: "object" };
  await relay(changes / 10, { reply, columns, events });
  const { microseconds } = await relay(changes, { reply, columns, events });
  const lines = [
    ...microseconds,
    ["in all", microseconds.values().reduce((sum, each) => sum + each)] as const,
  ]
    .map(([stage, time]) => `${(time / changes).toFixed(2).padStart(9)} µs  ${stage}\n`);
  const title = `${name}, ${Math.round(reply.batch.length / events)} bytes an event\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(title + lines.join("")));
}
