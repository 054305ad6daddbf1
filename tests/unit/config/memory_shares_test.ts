import assert from "node:assert/strict";
import { memoryShares } from "../../../lib/config/memory_shares.ts";

const MEGABYTE = 2 ** 20;

Deno.test("memoryShares() leaves room for each form that data has on its way", () => {
  const { replyBytes, batchBytes, inFlightBytes, heapBytes } = memoryShares(256 * MEGABYTE);
  // A reply that is read, a batch that waits, one that is written, and its statements as text, body and bytes.
  assert.ok(2 * replyBytes + 3 * batchBytes + 3 * inFlightBytes < heapBytes / 2);
});

Deno.test("memoryShares() shares out the least memory too", () => {
  assert.ok(Object.values(memoryShares(1)).every((share) => share === 1));
});
