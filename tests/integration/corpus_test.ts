/** The BSON corpus of the MongoDB specifications, see `bson_corpus.ts`. */
import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { BsonType } from "../../lib/bson/bson.ts";
import { jsonOf } from "../../lib/mapping/bson_to_json.ts";
import { normalizeJson } from "../../lib/mapping/normalize.ts";
import { corpus, corpusFolder as folder, REFUSED, refusedOf } from "../support/bson_corpus.ts";
import { wholeRows } from "../support/compare.ts";
import { cratedbTest, transports } from "../support/cratedb_harness.ts";

const whole = (bytes: Uint8Array): string =>
  normalizeJson(jsonOf({ type: BsonType.document, bytes, offset: 0, length: bytes.length }));

if (!folder) {
  Deno.test.ignore("relay() stores the BSON corpus whole: BSON_CORPUS names no folder", () => {});
} else {
  const documents = corpus(folder);
  for (const transport of transports) {
    cratedbTest(
      `relay() stores the ${documents.size} documents of the BSON corpus whole, over ${transport}`,
      async (context) => {
        const { mongodb, database, relay, sql } = context;
        assert.ok(documents.size > 600, `${folder} has ${documents.size}`);
        await relay([], { transport }).waitForLine(/Ready/);
        const refused = await refusedOf(mongodb.db(database), documents);
        assert.deepEqual(Object.keys(refused), REFUSED, JSON.stringify(refused));
        const expected = new Map(
          [...documents].flatMap(([id, bytes]) => id in refused ? [] : [[id, whole(bytes)] as const]),
        );
        await eventually(async () => {
          const rows = await wholeRows(context);
          assert.equal(rows.size, expected.size);
          assert.deepEqual([...rows].filter(([id, row]) => expected.get(id) !== row), []);
        });
        assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
      },
    );
  }
}
