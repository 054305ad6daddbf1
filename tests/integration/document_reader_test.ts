import assert from "node:assert/strict";
import { BSON, type Document, type MongoClient, MongoServerError } from "mongodb";
import { fieldsByName } from "../../lib/bson/bson.ts";
import { keyText } from "../../lib/key/key_text.ts";
import type { DocumentReader, ReaderOptions } from "../../lib/source/documents/documents.ts";
import type { DocumentSettings } from "../../lib/source/documents/pages.ts";
import { UserError } from "../../lib/util/errors.ts";
import { documentReader, quietReader } from "../support/quiet_reader.ts";
import { type MongodbContext, mongodbTest } from "../support/mongodb_harness.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";

const MEGABYTE = 2 ** 20;
/** A reply has room for three. */
const LENGTH = 5 * MEGABYTE;
const COUNT = 10;

type Source = Pick<MongodbContext, "mongodb" | "database">;

function readerOf(client: MongoClient, options: Partial<ReaderOptions & DocumentSettings> = {}) {
  const causalReader = quietReader(client);
  const transform = [{ $match: { on: true } }, { $unset: "secret" }];
  const reader = documentReader(causalReader, { transform, ...options });
  return { reader, [Symbol.asyncDispose]: () => causalReader[Symbol.asyncDispose]() };
}

const idOf = (_id: unknown) => {
  const id = fieldsByName(BSON.serialize({ _id })).get("_id");
  assert.ok(id);
  return id;
};

/** Of 0, 1, …: 3 does not match, and 5 is deleted. */
async function fill({ mongodb, database }: Source): Promise<void> {
  const data = mongodb.db(database).collection<{ _id: number }>("data");
  for (let _id = 0; _id < COUNT; _id++) {
    await data.insertOne({ _id, on: _id !== 3, text: "t".repeat(LENGTH), secret: "s" } as never);
  }
  await data.deleteOne({ _id: 5 });
}

const ASKED = [...Array.from({ length: COUNT }, (_, n) => n), "never there", 7, 0];
const THERE = ["0", "1", "2", "4", "6", "7", "8", "9"];
const GONE = ["3", "5", "never there"];

/** The keys of each part: those with a document, and those without. */
async function lookedUp(reader: DocumentReader, source: Source, between = () => Promise.resolve()) {
  const there: string[][] = [];
  const gone: string[] = [];
  for await (
    const part of reader.lookUp({ database: source.database, collection: "data" }, ASKED.map(idOf))
  ) {
    there.push(part.filter(({ document }) => document).map(({ id }) => keyText(id)));
    gone.push(...part.filter(({ document }) => !document).map(({ id }) => keyText(id)));
    for (const { document } of part) assert.ok(!document || !fieldsByName(document).has("secret"));
    await between();
  }
  return { there, gone };
}

mongodbTest("lookUp() yields parts, and each key once", async (source) => {
  await fill(source);
  await using open = readerOf(source.mongodb);
  const { there, gone } = await lookedUp(open.reader, source);
  assert.ok(there.length > 2 && there.every(({ length }) => length <= 3), JSON.stringify(there));
  assert.deepEqual(there.flat().sort(), THERE);
  assert.deepEqual(gone.sort(), GONE);
});

mongodbTest("lookUp() reports documents that are deleted and inserted between the parts", async (source) => {
  await fill(source);
  await using open = readerOf(source.mongodb);
  const data = source.mongodb.db(source.database).collection<Document>("data");
  let parts = 0;
  const { there, gone } = await lookedUp(open.reader, source, async () => {
    if (parts++ > 0) return;
    await data.deleteOne({ _id: 9 } as never);
    await data.insertOne({ _id: "never there", on: true } as never);
  });
  assert.deepEqual(there.flat().sort(), [...THERE.filter((key) => key !== "9"), "never there"]);
  assert.deepEqual(gone.sort(), ["3", "5", "9"]);
});

mongodbTest("chunk() ends with a part, and the next one continues there", async (source) => {
  await fill(source);
  for (const size of [1_000, 4, 1]) {
    await using open = readerOf(source.mongodb, { size });
    const found: string[] = [];
    let [last, done, seen, chunks]: [Uint8Array | null, boolean, number, number] = [null, false, 0, 0];
    while (!done) {
      const namespace = { database: source.database, collection: "data" };
      const chunk = await open.reader.chunk(namespace, { after: last, upTo: null });
      found.push(...chunk.documents.map(({ id }) => keyText(id)));
      assert.ok(chunk.documents.length <= 3);
      [last, done, seen, chunks] = [chunk.last, chunk.done, seen + chunk.seen, chunks + 1];
    }
    assert.ok(chunks > 2);
    assert.deepEqual(found, THERE);
    assert.equal(seen, COUNT - 1);
  }
});

mongodbTest("chunk() and lookUp() have keys that no query can name", async (source) => {
  const { mongodb, database } = source;
  const namespace = { database, collection: "data" };
  // A date beyond JavaScript's inside of an object: neither the driver nor an expression has a form for it.
  const far = (n: number) => ({ $toDate: BSON.Long.fromBigInt(9_000_000_000_000_000n + BigInt(n)) });
  const keys: Document[] = [{ a: 0 }, { a: 1 }, { a: far(0) }, { a: far(1) }, { b: 0 }];
  for (const _id of keys) {
    await mongodb.db(database).aggregate([
      { $documents: [{ on: true, text: "t".repeat(LENGTH) }] },
      { $set: { _id } },
      { $merge: { into: "data" } },
    ]).toArray();
  }
  await mongodb.db(database).collection("data").insertOne({ _id: "z", on: true, text: "t" } as never);
  await using open = readerOf(mongodb);
  const found = [];
  for (let [last, done]: [Uint8Array | null, boolean] = [null, false]; !done;) {
    const chunk = await open.reader.chunk(namespace, { after: last, upTo: null });
    found.push(...chunk.documents);
    [last, done] = [chunk.last, chunk.done];
  }
  assert.equal(found.length, keys.length + 1);
  assert.equal(new Set(found.map(({ id }) => keyText(id))).size, keys.length + 1);

  const parts = await Array.fromAsync(open.reader.lookUp(namespace, found.map(({ id }) => id)));
  assert.ok(parts.length > 1);
  assert.deepEqual(
    parts.flat().map(({ id, document }) => [keyText(id), document?.length]).sort(),
    found.map(({ id, document }) => [keyText(id), document?.length]).sort(),
  );
});

const REFUSED: readonly Document[] = [
  { $nope: 1 },
  { x: { $foo: 1 } },
  { $text: { $search: "a" } },
  { at: { $near: [0, 0] } },
  { $where: "true" },
  { $expr: { $divide: [1, 0] } },
];

for (const filter of REFUSED) {
  const transform = [{ $match: filter }];
  mongodbTest(`check() refuses ${JSON.stringify(filter)} before the database exists`, async (source) => {
    await using open = readerOf(source.mongodb, { transform });
    await assert.rejects(
      open.reader.check({ database: source.database, collection: "none" }),
      MongoServerError,
    );
  });
}

mongodbTest(
  "lookUp() takes a refusal of the stages themselves for no fault of a document",
  async (source) => {
    const { mongodb, database } = source;
    await mongodb.db(database).collection("data").insertOne({ _id: 1 } as never);
    await using open = readerOf(mongodb, { transform: [{ $match: { $nope: 1 } }] });
    await assert.rejects(
      Array.fromAsync(open.reader.lookUp({ database, collection: "data" }, [idOf(1)])),
      (error) => error instanceof MongoServerError && error.message.includes("$nope"),
    );
  },
);

/** Fails on a text that is no number. */
const NUMBER = { $set: { n: { $toInt: "$text" } } };
const badIds = Array.from({ length: 12 }, (_, n) => n);
const bad = badIds.map((_id) => ({ _id, text: "hush" }));

mongodbTest("lookUp() takes an error that all documents share for one of the stages", async (source) => {
  const { mongodb, database } = source;
  await mongodb.db(database).collection("data").insertMany(bad as never);
  await using open = readerOf(mongodb, { transform: [NUMBER] });
  await assert.rejects(
    Array.fromAsync(open.reader.lookUp({ database, collection: "data" }, badIds.map(idOf))),
    (error) =>
      error instanceof UserError && error.message.includes("code 241") && !error.message.includes("hush"),
  );
});

for (const [where, _id] of [["before", -1], ["after", 99]] as const) {
  mongodbTest(`lookUp() blames documents if one ${where} them is fine`, async (source) => {
    const { mongodb, database } = source;
    await mongodb.db(database).collection("data").insertMany([{ _id, text: "1" }, ...bad] as never);
    await using open = readerOf(mongodb, { transform: [NUMBER] });
    const parts = await Array.fromAsync(
      open.reader.lookUp({ database, collection: "data" }, badIds.map(idOf)),
    );
    assert.equal(parts.flat().filter(({ refusal }) => refusal).length, badIds.length);
  });
}

mongodbTest("check() reports that a pipeline changes _id, by the first document", async (source) => {
  const { mongodb, database } = source;
  const data = mongodb.db(database).collection("data");
  await data.insertMany([{ _id: 1, n: 2 }] as never);
  await using open = readerOf(mongodb, { transform: [{ $set: { _id: "$n" } }] });
  await assert.rejects(open.reader.check({ database, collection: "data" }), /The pipeline changes _id/);
});

ownMongodbTest("lookUp() neither repeats nor loses a key when MongoDB fails in between", async (own) => {
  await fill(own);
  const fail = async () => {
    await own.mongodb.db("admin").command({
      configureFailPoint: "failCommand",
      mode: { times: 1 },
      data: { failCommands: ["aggregate"], errorCode: 6 },
    });
  };
  await using open = readerOf(own.mongodb);
  await fail();
  const { there, gone } = await lookedUp(open.reader, own, fail);
  assert.deepEqual(there.flat().sort(), THERE);
  assert.deepEqual(gone.sort(), GONE);
}, { args: ["--setParameter", "enableTestCommands=1"] });
