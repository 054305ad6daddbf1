import assert from "node:assert/strict";
import { Shutdown } from "../../../lib/util/shutdown.ts";

Deno.test("Shutdown.timeLeftMs() is shared by all tries after the signal, and each late one has a little", () => {
  let now = 1_000;
  const stop = new AbortController();
  const shutdown = new Shutdown(stop.signal, () => now);
  assert.equal(shutdown.timeLeftMs(), Infinity);
  stop.abort();
  const left = (elapsed: number) => {
    now = 1_000 + elapsed;
    return shutdown.timeLeftMs();
  };
  assert.deepEqual([0, 1_000, 2_500, 4_999, 5_000].map(left), [3_000, 2_000, 500, 500, 0]);
});

Deno.test("Shutdown.limit() waits for as long as it takes before the signal", async () => {
  const shutdown = new Shutdown(new AbortController().signal);
  assert.equal(await shutdown.limit(Promise.resolve("done")), "done");
});

Deno.test("Shutdown.limit() gives up when the time after the signal is over", async () => {
  const stop = new AbortController();
  const shutdown = new Shutdown(stop.signal);
  const waiting = shutdown.limit(new Promise<never>(() => {}), () => 0);
  stop.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});

Deno.test("Shutdown leaves no listener on the signal once it is disposed of", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const count =
    (change: number, original: typeof signal.addEventListener): typeof signal.addEventListener =>
    (...listener: Parameters<typeof original>) => {
      listeners += change;
      original.apply(signal, listener);
    };
  signal.addEventListener = count(1, signal.addEventListener);
  signal.removeEventListener = count(-1, signal.removeEventListener);
  {
    using shutdown = new Shutdown(signal);
    await shutdown.limit(Promise.resolve());
    assert.equal(listeners, 1);
  }
  assert.equal(listeners, 0);
});
