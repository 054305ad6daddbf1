import assert from "node:assert/strict";
import { openTracing } from "../../../lib/monitor/tracing.ts";

Deno.test("openTracing() gives the result of what it traces, and its error", async () => {
  const { trace, listen } = openTracing("1.2.3");
  const applied = await trace("batch", () => {
    listen({ type: "stageDone", stage: "write", seconds: 0.1 });
    listen({ type: "batchApplied", events: 3, bytes: 90, seconds: 0.1 });
    return Promise.resolve(3);
  });
  assert.equal(applied, 3);
  const refused = new Error("refused");
  await assert.rejects(trace("checkpoint", () => Promise.reject(refused)), refused);
});
