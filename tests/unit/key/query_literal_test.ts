import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { fc } from "../../deps.ts";
import { bytesOf } from "../../../lib/bson/bson.ts";
import { bsonValueOf, valueOf } from "../../../lib/key/query_literal.ts";
import { type Raw, raw, valueOf as placed } from "../../support/raw_bson.ts";

const TEXTS = ["", "x", "\ufeffx", "\0", "é€😀", "\ufffd", "507f1f77bcf86cd799439011"];
const INT64S = [0n, -1n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
const anyId: fc.Arbitrary<Raw> = fc.oneof(
  fc.uint8Array({ minLength: 12, maxLength: 12 }).map(raw.objectId),
  fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: "binary" }).map((text) => text.toWellFormed())).map(
    raw.string,
  ),
  fc.integer().map(raw.int32),
  fc.oneof(fc.constantFrom(...INT64S), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map(raw.int64),
  fc.constantFrom(raw.double(1), raw.double(-0), raw.boolean(true), raw.date(0n), raw.null()),
  fc.constant(raw.document([["1", raw.int32(1)], ["0", raw.string("x")]])),
);

Deno.test("valueOf() of a key is what the driver sends as the same bytes", () => {
  fc.assert(
    fc.property(anyId, (each) => {
      const id = placed(each);
      const known = valueOf(id);
      assert.ok(known);
      const sent = bsonValueOf(known.value);
      assert.equal(sent?.type, id.type);
      assert.deepEqual(sent && new Uint8Array(bytesOf(sent)), new Uint8Array(bytesOf(id)));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("valueOf() of an ObjectId is an ObjectId, and of an Int64 a Long", () => {
  const id = new BSON.ObjectId();
  assert.deepEqual(valueOf(placed(raw.objectId(id.id)))?.value, id);
  assert.deepEqual(valueOf(placed(raw.int64(7n)))?.value, BSON.Long.fromNumber(7));
});

Deno.test("valueOf() of what the driver would change is undefined", () => {
  const broken = { ...raw.string("x"), bytes: Uint8Array.of(2, 0, 0, 0, 0xff, 0) };
  for (const each of [broken, raw.date(2n ** 63n - 1n)]) assert.equal(valueOf(placed(each)), undefined);
});
