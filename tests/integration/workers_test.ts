/** Several relays divide a stream among them. */
import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { run } from "../support/program.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { collectionOf, insert, seen, stops, tablesAre, whole } from "../support/collections.ts";
import { fieldsByName } from "../../lib/bson/bson.ts";
import { idOfKey } from "../../lib/key/document_key.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { WHOLE } from "../../lib/source/documents/key_ranges.ts";
import { workerShare } from "../../lib/pipeline/workers/worker_share.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { insertMixed, type Mixed } from "../support/mixed_documents.ts";
import { mongodbTest } from "../support/mongodb_harness.ts";
import { postgresqlTest } from "../support/postgresql_harness.ts";
import { documentReader, quietReader } from "../support/quiet_reader.ts";

const LEASE = ["--lease", "2s"];

/** Starts one of the relays that divide a stream. */
const startPart = ({ relay }: CratedbContext, part: string, args: readonly string[] = []) =>
  relay([...LEASE, ...args], { env: { CDC_WORKER: part } });

const allReady = (relays: readonly ReturnType<CratedbContext["relay"]>[]) =>
  Promise.all(relays.map((each) => each.waitForLine(/Ready/)));

/** Runs a command for the whole stream. */
const command = (
  { mongodbUrl, httpUrl, database, schema, table }: CratedbContext,
  name: string,
  ...args: string[]
) =>
  run([name, "--database", database, "--collection", "data", "--table", `${schema}.${table}`, ...args], {
    env: { MONGODB_URL: mongodbUrl, CRATEDB_SQLALCHEMY_URL: httpUrl },
  });

const numbersOf = (lines: readonly string[], pattern: RegExp) =>
  lines.flatMap((line) => pattern.exec(line)?.slice(1, 2).map(Number) ?? []);

const { Decimal128, Double, Long, MaxKey, MinKey, ObjectId, Timestamp } = BSON;

/** Keys of all kinds; numbers are equal to each other whatever their types. */
const IDS: readonly unknown[] = [
  ...Array.from({ length: 40 }, () => new ObjectId()),
  ...Array.from({ length: 40 }, (_, at) => at % 2 === 0 ? at : Long.fromNumber(-at)),
  ...["", "a", "é 😀", "42", '{"$oid":1}', "nul\u0000end"],
  ...[1.5, -0.25, 1e300, NaN, Infinity].map((value) => new Double(value)),
  ...["0.1", "12345678901234567890123", "-Infinity"].map((text) => Decimal128.fromString(text)),
  ...[true, false, new Date(42), new Timestamp({ t: 1, i: 2 }), new MinKey(), new MaxKey(), Long.MIN_VALUE],
  ...[new BSON.UUID(), new BSON.Binary(new Uint8Array([0, 255])), {}, { b: 1, a: "x" }, {
    a: [1, { b: 2.5 }],
  }],
];

mongodbTest(
  "a document, its events and the key of its row are of one worker",
  async ({ mongodb, database }) => {
    const count = 3;
    const namespace = { database, collection: "data" };
    const data = mongodb.db(database).collection("data");
    await using causalReader = quietReader(mongodb);
    const shares = Array.from(
      { length: count },
      (_, index) => workerShare({ index, count }, causalReader),
    );
    const streams = shares.map((share) =>
      data.watch([{ $match: { $expr: share.condition("$documentKey._id") } }], { fullDocument: "default" })
    );
    await using closing = new AsyncDisposableStack();
    for (const each of streams) closing.defer(() => each.close());
    for (const each of streams) await each.tryNext();
    await data.insertMany(IDS.map((_id) => ({ _id, n: 1 })) as never[]);
    await data.updateMany({}, { $set: { n: 2 } });
    await data.deleteMany({ n: 2, _id: { $type: "objectId" } });

    const keys = IDS.map((id) => {
      const value = fieldsByName(BSON.serialize(new Map([["_id", id]]), { ignoreUndefined: false })).get(
        "_id",
      );
      assert.ok(value);
      const oid = keyText(value);
      return { oid, id: idOfKey(oid) };
    });
    assert.ok(keys.every(({ id }) => id));
    const seen: string[] = [];
    for (const [index, share] of shares.entries()) {
      const own = await share.among(namespace, keys);
      assert.ok(own.length > IDS.length / 10, `${own.length}`);
      const chunk = await documentReader(causalReader, { share }).chunk(namespace, WHOLE);
      const ownOids = own.map(({ oid }) => oid);
      assert.deepEqual(
        chunk.documents.map(({ id }) => keyText(id)).sort(),
        ownOids.filter((oid) => !/^[0-9a-f]{24}$/.test(oid)).sort(),
      );
      const objectIds = ownOids.length - chunk.documents.length;
      const events = 2 * ownOids.length + objectIds;
      const told = new Map<string, string[]>();
      for (let at = 0; at < events; at++) {
        const event = await streams[index]?.next();
        assert.ok(event && "documentKey" in event);
        const { operationType } = event;
        told.set(operationType, [...told.get(operationType) ?? [], BSON.EJSON.stringify(event.documentKey)]);
      }
      assert.deepEqual(told.get("insert")?.sort(), told.get("update")?.sort());
      assert.equal(told.get("insert")?.length, ownOids.length);
      assert.equal(told.get("delete")?.length ?? 0, objectIds);
      seen.push(...ownOids);
    }
    assert.deepEqual(seen.sort(), keys.map(({ oid }) => oid).sort());
  },
);

cratedbTest(
  "two and four workers keep a table equal to its collection, also when one is killed, and another number takes over",
  async (context) => {
    const { mongodb, database, sql, schema, verify } = context;
    const data = mongodb.db(database).collection<Mixed>("data");
    await insertMixed(data, 1_500);
    const first = ["0/2", "1/2"].map((part) => startPart(context, part));
    await allReady(first);
    const read = first.flatMap(({ stderr }) => numbersOf(stderr, /Snapshot done.* documents=(\d+)/));
    assert.equal(read.reduce((sum, documents) => sum + documents), 1_500);
    assert.ok(read.every((documents) => documents > 500), `${read}`);
    await insertMixed(data, 100, 1_500);
    await inStep(context);
    for (const each of first) await stops(each);
    await data.deleteMany({ n: { $lt: 100 } });

    const killed = startPart(context, "1/4");
    const others = ["0/4", "2/4", "3/4"].map((part) => startPart(context, part));
    const second = [killed, ...others];
    await Promise.all(
      second.map((each) => each.waitForLine(/divided in another way before: taking a new snapshot/)),
    );
    await allReady(second);
    await inStep(context);
    const late = startPart(context, "1/2");
    const streams = async () =>
      (await sql(`SELECT stream FROM "${schema}".cdc_collection ORDER BY stream`)).map(({ stream }) =>
        String(stream).replace(/^.* \(/, "(")
      );
    assert.deepEqual(await streams(), [
      "(worker 0/4)",
      "(worker 1/4)",
      "(worker 2/4)",
      "(worker 3/4)",
    ]);

    const load = (async () => {
      for (let at = 0; at < 20; at++) {
        await insertMixed(data, 50, 2_000 + at * 50);
        await data.updateMany({ n: { $gte: 100 + at * 20, $lt: 120 + at * 20 } }, { $set: { v: at } });
        await data.deleteMany({ n: { $gte: 1_000 + at * 10, $lt: 1_010 + at * 10 } });
      }
    })();
    await killed.kill("SIGKILL");
    // It has its own lease until it ends, and a worker that starts before that would wait for it.
    assert.equal((await late.status).code, 1);
    await late.waitForLine(
      /Another relay follows the same documents, divided in another way: .*\(worker 0\/4\)/,
    );
    const again = startPart(context, "1/4");
    await load;
    await again.waitForLine(/Ready/);
    const waited = await command(context, "wait");
    assert.equal(waited.code, 0, waited.stderr);
    await inStep(context);

    // A row of each worker is spoilt, and one is added.
    await sql(`UPDATE "${schema}".data SET data['v'] = -1 WHERE data['n'] BETWEEN 500 AND 530`);
    await sql(`INSERT INTO "${schema}".data (oid, data) VALUES ('extra', {n = 1}), ('more', {n = 1})`);
    const verified = await verify(["--repair"], { env: { CDC_WORKER: "0/4" } });
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    await inStep(context);
    const status = await command(context, "status", "--json");
    const shown: { stream: string; state: string }[] = JSON.parse(status.stdout);
    assert.deepEqual(
      shown.map(({ stream, state }) => [stream.replace(/^.* \(/, "("), state]),
      [0, 1, 2, 3].map((part) => [`(worker ${part}/4)`, "ok"]),
    );
    for (const each of [again, ...others]) await stops(each);
  },
  { ownProcess: true },
);

cratedbTest("workers drop tables in one step, whichever of them is behind", async (context) => {
  const { mongodb, database } = context;
  const args = [...whole(context), "--on-drop", "drop"];
  const keys = (start: string) => Array.from({ length: 20 }, (_, at) => `${start}${10 + at}`);
  await insert(context, "one", ...keys("a"));
  await insert(context, "two", ...keys("b"));
  const first = startPart(context, "0/2", args);
  const later = startPart(context, "1/2", args);
  await allReady([first, later]);
  await seen(context, "one", keys("a"));
  await stops(later);
  await insert(context, "one", ...keys("c"));
  await collectionOf(context, "one").drop();
  await collectionOf(context, "two").rename("three");
  await insert(context, "three", ...keys("d"));

  const again = startPart(context, "1/2", args);
  await tablesAre(context, ["three"]);
  await seen(context, "three", [...keys("b"), ...keys("d")]);

  // One that is dropped and made again at once, and a whole database.
  await collectionOf(context, "three").drop();
  await insert(context, "three", ...keys("e"));
  await seen(context, "three", keys("e"));
  await mongodb.db(database).dropDatabase();
  await tablesAre(context, []);
  await insert(context, "three", ...keys("f"));
  await seen(context, "three", keys("f"));
  for (const each of [first, again]) await stops(each);
});

postgresqlTest(
  "workers take the place of one relay, and drop the table of PostgreSQL",
  async (context) => {
    const { mongodb, database, schema, sql, relay } = context;
    const data = mongodb.db(database).collection<Mixed>("data");
    await insertMixed(data, 200);
    const one = relay(["--lease", "1s"]);
    await one.waitForLine(/Ready/);
    await one.kill("SIGKILL");
    await data.deleteMany({ n: { $lt: 50 } });

    const args = ["--lease", "1s", "--on-drop", "drop"];
    const parts = ["0/2", "1/2"].map((part) => relay([...args, "--worker", part]));
    await allReady(parts);
    await inStep(context);
    await data.drop();
    await eventually(async () => {
      const tables = await sql("SELECT table_name FROM information_schema.tables WHERE table_schema = $1", [
        schema,
      ]);
      assert.ok(!tables.some(({ table_name }) => table_name === "data"));
    }, { interval: 50 });
    for (const each of parts) await stops(each);
  },
  { ownProcess: true },
);
