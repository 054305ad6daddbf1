import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { makeDocument } from "../../../dev/bench/documents.ts";

const sizeOf = (...args: Parameters<typeof makeDocument>): number =>
  BSON.calculateObjectSize(makeDocument(...args));

Deno.test("makeDocument() makes small documents of about 180 bytes", () => {
  for (const serial of [1, 100_000]) {
    assert.ok(Math.abs(sizeOf("small", serial) - 180) < 15, `${sizeOf("small", serial)}`);
  }
});

Deno.test("makeDocument() makes wide documents of 200 fields beside the key and the number", () => {
  assert.equal(Object.keys(makeDocument("wide", 1)).length, 202);
});

Deno.test("makeDocument() makes large documents of about 100 kB", () => {
  assert.ok(Math.abs(sizeOf("large", 1) - 100_000) < 10_000, `${sizeOf("large", 1)}`);
});

Deno.test("makeDocument() is determined by the serial number", () => {
  assert.deepEqual(makeDocument("wide", 7), makeDocument("wide", 7));
  assert.notDeepEqual(makeDocument("wide", 7)._id, makeDocument("wide", 8)._id);
});

Deno.test("makeDocument() makes documents of several days, whose keys have their times", () => {
  const times = [1, 100_000].map((serial) => {
    const { _id, meta } = makeDocument("small", serial);
    assert.deepEqual(_id.getTimestamp(), meta.timestamp);
    return meta.timestamp.getTime();
  });
  assert.ok((times[1] ?? 0) - (times[0] ?? 0) > 86_400_000);
});
