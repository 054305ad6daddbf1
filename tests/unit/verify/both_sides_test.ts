import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { BsonType, fieldsByName } from "../../../lib/bson/bson.ts";
import { jsonOf } from "../../../lib/mapping/bson_to_json.ts";
import type { FoundRow } from "../../../lib/sink/table/row_reader.ts";
import { Semaphore } from "../../../lib/util/concurrency.ts";
import { garbageLimit } from "../../../lib/util/garbage.ts";
import { bothSides } from "../../../lib/verify/both_sides.ts";
import type { Collection } from "../../../lib/verify/collection.ts";

function documentOf(_id: number) {
  const document = BSON.serialize({ _id, text: "t".repeat(100) });
  const id = fieldsByName(document).get("_id");
  assert.ok(id);
  return { id, document };
}

const rowOf = (document: Uint8Array): FoundRow => ({
  data: jsonOf({ type: BsonType.document, bytes: document, offset: 0, length: document.length }),
  overflow: null,
  parts: [],
});

for (const [inFlightBytes, most] of [[1_000, 3], [300, 2], [100, 1]] as const) {
  Deno.test(`bothSides() compares ${most} of 3 chunks of 130 bytes at once, of ${inFlightBytes} bytes at most`, async () => {
    let [running, seen] = [0, 0];
    const documents = [1, 2, 3].map(documentOf);
    const collection = {
      memory: { inFlight: new Semaphore(inFlightBytes), garbage: garbageLimit(Infinity) },
      own: { omit: [] },
      clock: { now: () => 0 },
      rows: {
        rows: async (oids: readonly string[]) => {
          seen = Math.max(seen, ++running);
          await new Promise((resolve) => setTimeout(resolve));
          running--;
          return new Map(oids.map((oid) => [oid, rowOf(documentOf(Number(oid)).document)]));
        },
      },
    };
    const { compare } = bothSides(collection as unknown as Collection, []);
    const compared = await Promise.all(documents.map((each) => compare([each])));
    assert.equal(seen, most);
    assert.deepEqual(compared.map(({ differing }) => differing.length), [0, 0, 0]);
  });
}
