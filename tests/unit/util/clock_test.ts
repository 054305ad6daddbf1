import assert from "node:assert/strict";
import { waitAtMost } from "../../../lib/util/clock.ts";
import { fakeClock } from "../../support/fake_clock.ts";

const never = Promise.withResolvers<never>().promise;

Deno.test("waitAtMost() ends when the promise settles, also with an error, and waits on for nothing", async () => {
  for (const promise of [Promise.resolve(), Promise.reject(new Error("no"))]) {
    let signal: AbortSignal | undefined;
    await waitAtMost(1_000, promise, { wait: (_, options) => (signal = options?.signal, never) });
    assert.ok(signal?.aborted);
    await waitAtMost(Infinity, promise, { wait: () => assert.fail("waited") });
  }
});

Deno.test("waitAtMost() ends when the time is over", async () => {
  const clock = fakeClock();
  const waiting = waitAtMost(1_000, never, clock);
  clock.pass(1_000);
  await waiting;
});
