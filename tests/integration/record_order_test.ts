/** Snapshots in the order of records: what MongoDB does with its tokens, and that nothing is lost. */
import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { eventually } from "../../dev/servers/eventually.ts";
import { bytesFromHex } from "../../lib/bson/bson.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { positionBytes, recordPosition, recordStart } from "../../lib/source/documents/record_order.ts";
import type { DocumentReader } from "../../lib/source/documents/documents.ts";
import type { Namespace } from "../../lib/util/namespace.ts";
import { QUIET } from "../../lib/util/log.ts";
import { compare, inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";
import { insertMixed, type Mixed, mixedLoad } from "../support/mixed_documents.ts";
import { type MongodbContext, mongodbTest } from "../support/mongodb_harness.ts";
import { documentReader, quietReader } from "../support/quiet_reader.ts";
import { nightly } from "../support/nightly.ts";

const SIZE = 10;

/** Reads chunk after chunk, at most `atMost`; the `_id`s in the order in which they come. */
async function read(
  documents: DocumentReader,
  namespace: Namespace,
  start: Uint8Array | null,
  atMost = Infinity,
) {
  const ids: string[] = [];
  let after = start;
  for (let chunks = 0; chunks < atMost; chunks++) {
    const chunk = await documents.chunk(namespace, { after, upTo: null });
    ids.push(...chunk.documents.map(({ id }) => keyText(id)));
    after = chunk.last;
    if (chunk.done) break;
  }
  return { ids, after };
}

async function opened(
  { mongodb, database }: MongodbContext,
  stack: AsyncDisposableStack,
  transform: readonly Document[] = [],
) {
  const causalReader = stack.use(quietReader(mongodb));
  const namespace = { database, collection: "data" };
  const start = await recordStart(causalReader, namespace, QUIET);
  assert.ok(start);
  const documents = documentReader(causalReader, { size: SIZE, transform });
  return { namespace, documents, server: start.server, start: positionBytes(start) };
}

mongodbTest("DocumentReader.chunk() reads all documents in the order of records", async (context) => {
  await using stack = new AsyncDisposableStack();
  const data = context.mongodb.db(context.database).collection<{ _id: number }>("data");
  const keys = [5, 3, 9, 1, 7, 8, 2, 6, 4, 0].flatMap((digit) => [digit, digit + 20, digit + 10]);
  await data.insertMany(keys.map((_id) => ({ _id })));
  const { namespace, documents, start } = await opened(context, stack);
  assert.deepEqual((await read(documents, namespace, start)).ids, keys.map(String));
  const even = await opened(context, stack, [{ $match: { _id: { $mod: [2, 0] } } }]);
  assert.deepEqual(
    (await read(even.documents, namespace, even.start)).ids.sort(),
    keys.filter((key) => key % 2 === 0).map(String).sort(),
  );
});

mongodbTest("DocumentReader.chunk() reads large records once", async (context) => {
  await using stack = new AsyncDisposableStack();
  const data = context.mongodb.db(context.database).collection<{ _id: number; text: string }>("data");
  const text = "x".repeat(7 * 2 ** 20);
  for (const _id of [4, 2, 5, 1, 3]) await data.insertOne({ _id, text });
  const { namespace, documents, start } = await opened(context, stack);
  assert.deepEqual((await read(documents, namespace, start)).ids, ["4", "2", "5", "1", "3"]);
});

mongodbTest(
  "DocumentReader.chunk() loses nothing when the records that it resumes after are deleted",
  async (context) => {
    await using stack = new AsyncDisposableStack();
    const data = context.mongodb.db(context.database).collection<{ _id: number }>("data");
    await data.insertMany(Array.from({ length: 100 }, (_, n) => ({ _id: n })));
    const { namespace, documents, start } = await opened(context, stack);
    const { after } = await read(documents, namespace, start, 5);
    const left = (from: number) =>
      Array.from({ length: 100 - from }, (_, at) => `${from + at}`).filter((id) =>
        !deleted.includes(Number(id))
      );
    const deleted: number[] = [];
    for (const [gone, from] of [[49, 40], [39, 30], [29, 0]] as const) {
      await data.deleteOne({ _id: gone });
      deleted.push(gone);
      assert.deepEqual((await read(documents, namespace, after)).ids, left(from));
    }
  },
);

mongodbTest("DocumentReader.chunk() begins again on another server", async (context) => {
  await using stack = new AsyncDisposableStack();
  const data = context.mongodb.db(context.database).collection<{ _id: number }>("data");
  await data.insertMany(Array.from({ length: 30 }, (_, n) => ({ _id: n })));
  const { namespace, documents, start, server } = await opened(context, stack);
  const { after } = await read(documents, namespace, start, 2);
  const { tokens = [], server: own } = recordPosition(after) ?? {};
  assert.deepEqual([own, tokens.length], [server, 2]);
  const elsewhere = positionBytes({ server: `${new BSON.ObjectId()}:6`, tokens });
  assert.equal((await read(documents, namespace, elsewhere)).ids.length, 30);
});

const COUNT = 2_000;

nightly(cratedbTest)(
  "relay() resumes in the order of records after kill -9, while documents change",
  async (context) => {
    const { mongodb, database, relay, sql } = context;
    const data = mongodb.db(database).collection<Mixed>("data");
    await insertMixed(data, COUNT);
    const flags = ["--snapshot-order", "natural", "--lease", "1s", "--refresh-interval", "50ms"];
    const stop = new AbortController();
    const load = mixedLoad(data, { count: COUNT, signal: stop.signal, bulk: 20, pause: 50, most: 1_000 });
    load.catch(() => {}); // It is awaited at the end.
    const first = relay([...flags, "--snapshot-rate", "800", "--save-interval", "0ms"]);
    await eventually(async () => assert.ok(await countRows(context) > COUNT / 4), { interval: 10 });
    await first.kill("SIGKILL");
    await sql("REFRESH TABLE cdc_position");
    const [row] = await sql("SELECT snapshot FROM cdc_position");
    const { documents, ranges } = JSON.parse(String(row?.snapshot));
    const [range] = ranges[`${database}.data`];
    assert.ok(recordPosition(bytesFromHex(range.after))?.tokens.length);
    assert.ok(documents > 0 && documents < COUNT);

    const second = relay(flags);
    const done = await second.waitForLine(/Snapshot done/);
    assert.ok(!second.stderr.some((line) => /from its first record again/.test(line)), done);
    stop.abort();
    assert.ok(await load > 100, "the load was too small");
    await inStep(context, { timeout: 60_000, interval: 250 });
    assert.equal((await second.kill()).code, 0, second.stderr.join("\n"));
    assert.deepEqual(await compare(context), []);
    assert.deepEqual(await sql("SELECT oid FROM cdc_dead_letter"), []);
  },
  { ownProcess: true },
);
