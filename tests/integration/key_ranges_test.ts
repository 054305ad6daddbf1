/** Ranges of keys, read from a server: each key is in exactly one. */
import assert from "node:assert/strict";
import type { CreateCollectionOptions, Document } from "mongodb";
import type { BsonValue } from "../../lib/bson/bson.ts";
import { keyText } from "../../lib/key/key_text.ts";
import type { DocumentReader } from "../../lib/source/documents/documents.ts";
import type { DocumentSettings } from "../../lib/source/documents/pages.ts";
import { type KeyRange, rangesOf, rangeSplitter, WHOLE } from "../../lib/source/documents/key_ranges.ts";
import { QUIET } from "../../lib/util/log.ts";
import { failNext, TEST_COMMANDS } from "../support/fail_point.ts";
import { insertMixed, type Mixed } from "../support/mixed_documents.ts";
import { type MongodbContext, mongodbTest } from "../support/mongodb_harness.ts";
import { ownMongodbTest } from "../support/own_mongodb.ts";
import { documentReader, quietReader } from "../support/quiet_reader.ts";

const COUNT = 600;

interface Kind {
  readonly collection?: CreateCollectionOptions;
  readonly reader?: Partial<DocumentSettings>;
}

const KINDS: Readonly<Record<string, Kind>> = {
  "a plain collection": {},
  "a collection that takes no heed of case": { collection: { collation: { locale: "en", strength: 2 } } },
  "a clustered collection": { collection: { clusteredIndex: { key: { _id: 1 }, unique: true } } },
  "transformed documents": { reader: { transform: [{ $unset: "text" }] } },
  "a collection whose keys need not be unique": { reader: { key: "documentKey" } },
};

/** The keys of one range, chunk by chunk. */
async function idsIn(
  reader: DocumentReader,
  { database }: Pick<MongodbContext, "database">,
  range: KeyRange,
): Promise<BsonValue[]> {
  const found: BsonValue[] = [];
  for (let [{ after }, done] = [range, false]; !done;) {
    const chunk = await reader.chunk({ database, collection: "data" }, { ...range, after });
    found.push(...chunk.documents.map(({ id }) => id));
    [after, done] = [chunk.last, chunk.done];
  }
  return found;
}

const keysIn = async (...range: Parameters<typeof idsIn>): Promise<string[]> =>
  (await idsIn(...range)).map(keyText);

for (const [what, kind] of Object.entries(KINDS)) {
  mongodbTest(`chunk() has each key in one range, of ${what}`, async (source) => {
    const { mongodb, database } = source;
    const data = await mongodb.db(database).createCollection<Mixed>("data", kind.collection);
    await insertMixed(data, COUNT);
    await using causalReader = quietReader(mongodb);
    const readerOf = (size: number) => documentReader(causalReader, { size, ...kind.reader });
    const ids = await idsIn(readerOf(COUNT), source, WHOLE);
    const order = ids.map(keyText);
    assert.equal(order.length, COUNT);
    const ranges = rangesOf(ids, 12);
    assert.equal(ranges.length, 12);
    for (const size of [7, 50, 1_000]) {
      const found = [];
      for (const range of ranges) {
        const keys = await keysIn(readerOf(size), source, range);
        assert.ok(keys.length > 40 && keys.length < 60, `${keys.length} keys`);
        found.push(...keys);
      }
      assert.deepEqual(found, order);
    }
  });
}

/** Keys that no query can name: dates beyond JavaScript's inside of an object. */
const UNNAMED = (n: number) => ({ far: { $toDate: { $add: [{ $toLong: "9000000000000000" }, n] } } });

for (const [what, transform] of Object.entries({ "": [], ", transformed": [{ $unset: "text" }] })) {
  mongodbTest(
    `chunk() does not run into the next range at keys that no query can name${what}`,
    async (source) => {
      const { mongodb, database } = source;
      const keys: Document[] = [
        { a: 1 },
        ...[1, 2, 3, 4].map(UNNAMED),
        { g: 1 },
        ...[5, 6].map((n) => ({ h: UNNAMED(n) })),
        { z: 1 },
      ];
      for (const _id of keys) {
        await mongodb.db(database).aggregate([
          { $documents: [{ text: "t" }] },
          { $set: { _id } },
          { $merge: { into: "data" } },
        ]).toArray();
      }
      await using causalReader = quietReader(mongodb);
      const whole = documentReader(causalReader, { size: 100 });
      const { documents } = await whole.chunk({ database, collection: "data" }, WHOLE);
      const order = documents.map(({ id }) => keyText(id));
      assert.equal(order.length, keys.length);
      // Bounds before, among and after them.
      const ranges = rangesOf(documents.map(({ id }) => id), 3);
      assert.ok(ranges.length > 1);
      for (const size of [1, 2, 3, 100]) {
        const reader = documentReader(causalReader, { transform, size });
        const found = [];
        for (const range of ranges) found.push(...await keysIn(reader, source, range));
        assert.deepEqual(found, order);
      }
    },
  );
}

mongodbTest(
  "rangeSplitter divides a large collection in about equal ranges, and no small one",
  async (source) => {
    const { mongodb, database } = source;
    await using causalReader = quietReader(mongodb);
    const data = mongodb.db(database).collection<Mixed>("data");
    await insertMixed(data, 5_000);
    const namespace = { database, collection: "data" };
    const splitter = rangeSplitter(causalReader, { lanes: 4, log: QUIET });
    assert.deepEqual(await splitter.split(namespace), [WHOLE]);
    assert.deepEqual(await splitter.split({ database, collection: "missing" }), [WHOLE]);
    await insertMixed(data, 25_000, 5_000);
    const ranges = await splitter.split(namespace);
    assert.equal(ranges.length, 12);
    const reader = documentReader(causalReader, { size: 10_000 });
    const found = [];
    for (const range of ranges) {
      const keys = await keysIn(reader, source, range);
      assert.ok(keys.length > 700 && keys.length < 6_000, `${keys.length} keys`);
      found.push(...keys);
    }
    assert.equal(found.length, 30_000);
    assert.equal(new Set(found).size, 30_000);
    const one = rangeSplitter(causalReader, { lanes: 1, log: QUIET });
    assert.deepEqual(await one.split(namespace), [WHOLE]);
  },
);

ownMongodbTest("rangeSplitter takes a collection whole if the server refuses a sample", async (own) => {
  const { mongodb, database } = own;
  await insertMixed(mongodb.db(database).collection<Mixed>("data"), 20_000);
  await failNext(mongodb, ["aggregate"], 1, { errorCode: 28799 });
  await using causalReader = quietReader(mongodb);
  const warnings: unknown[] = [];
  const log = { ...QUIET, warn: (...told: unknown[]) => void warnings.push(told) };
  const ranges = await rangeSplitter(causalReader, { lanes: 4, log }).split({
    database,
    collection: "data",
  });
  assert.deepEqual(ranges, [WHOLE]);
  assert.deepEqual(warnings, [[
    "MongoDB refused a sample of the keys: reading a collection in one lane",
    { collection: `${database}.data`, code: 28799 },
  ]]);
}, TEST_COMMANDS);
