import assert from "node:assert/strict";
import { bufferBatches } from "../../../../lib/pipeline/loop/batcher.ts";
import { withStream } from "../../../../lib/pipeline/loop/with_stream.ts";
import type { ChangeBatch } from "../../../../lib/source/stream/change_stream.ts";

const LIMITS = { batchSize: 10, batchBytes: 10 };
const BATCH = {
  changes: [],
  event: undefined,
  events: 0,
  bytes: 0,
  token: new Uint8Array(),
  operationTime: undefined,
};

/** Gives one batch, then waits for a server that is away. */
function streamOf(closed: () => void) {
  return async function* (left: AbortSignal): AsyncGenerator<ChangeBatch> {
    try {
      yield { ...BATCH, wallTime: undefined };
      await new Promise((_, reject) => left.addEventListener("abort", () => reject(left.reason)));
    } finally {
      closed();
    }
  };
}

Deno.test("withStream() closes a stream that waits for its server, when its user fails", async () => {
  let isClosed = false;
  const open = streamOf(() => isClosed = true);
  const used = withStream((left) => bufferBatches(open(left), LIMITS), async (batches) => {
    await batches.next();
    batches.next().catch(() => {});
    throw new Error("a full disk");
  });
  await assert.rejects(used, /a full disk/);
  assert.ok(isClosed);
});

Deno.test("withStream() closes a stream that was read in part, and passes the result on", async () => {
  let isClosed = false;
  const open = streamOf(() => isClosed = true);
  const result = await withStream(open, async (batches) => {
    await batches.next();
    return "result";
  });
  assert.equal(result, "result");
  assert.ok(isClosed);
});
