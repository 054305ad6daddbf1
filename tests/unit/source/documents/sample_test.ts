import assert from "node:assert/strict";
import { MongoServerError } from "mongodb";
import type { CausalReader } from "../../../../lib/source/connection/causal_reader.ts";
import { sampler, sampleSize, sizesOf, storageOf } from "../../../../lib/source/documents/sample.ts";
import { type Logger, QUIET } from "../../../../lib/util/log.ts";

/** The average document in bytes; how many are sampled. */
const SIZES: readonly (readonly [number | undefined, number])[] = [
  [undefined, 1_000],
  [0, 1_000],
  [200, 1_000],
  [4_194, 1_000],
  [160_000, 26],
  [16 * 1024 * 1024, 1],
  [17_000_000, 1],
];

for (const [bytes, size] of SIZES) {
  Deno.test(`sampleSize() of documents of ${bytes} bytes`, () => assert.equal(sampleSize(bytes), size));
}

Deno.test("sampler says once that samples are refused", async () => {
  const refusal = new MongoServerError({ message: "no sample", code: 8000 });
  const reader = { read: () => Promise.reject(refusal), page: () => Promise.reject(refusal) };
  const told: unknown[] = [];
  const log: Logger = { ...QUIET, warn: (_message, fields) => void told.push(fields) };
  const sample = sampler(reader as unknown as CausalReader, log);
  for (const collection of ["one", "two"]) {
    assert.deepEqual(await sample({ database: "shop", collection }, []), []);
  }
  assert.deepEqual(told, [{ collection: "shop.one", code: 8000 }]);
});

Deno.test("storageOf() is nothing for a collection that does not exist, and unknown if the server refuses", async () => {
  const answering = (code: number) => ({
    read: () => Promise.reject(new MongoServerError({ message: "none", code })),
  });
  const orders = { database: "shop", collection: "orders" };
  assert.deepEqual(await storageOf(orders, answering(26)), { averageBytes: 0, bytes: 0 });
  assert.equal(await storageOf(orders, answering(13)), undefined);
});

Deno.test("sizesOf() asks once for what is known ahead, and again for a collection that may be another one", async () => {
  let asked = 0;
  const answers = () => Promise.resolve([{ storageStats: { size: ++asked } }]);
  const { ahead, take } = sizesOf({ read: answers as unknown as CausalReader["read"] });
  const orders = { database: "shop", collection: "orders" };
  assert.deepEqual([await ahead(orders), await ahead(orders), await take(orders)], [1, 1, 1]);
  assert.deepEqual([await take(orders), await take(orders)], [2, 3]);
});

Deno.test("sizesOf() asks again after an error", async () => {
  let asked = 0;
  const answers = () =>
    ++asked === 1 ? Promise.reject(new Error("away")) : Promise.resolve([{ storageStats: { size: 7 } }]);
  const { ahead, take } = sizesOf({ read: answers as unknown as CausalReader["read"] });
  const orders = { database: "shop", collection: "orders" };
  await assert.rejects(ahead(orders), /away/);
  assert.equal(await take(orders), 7);
});
