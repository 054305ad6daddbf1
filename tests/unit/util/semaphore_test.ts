import assert from "node:assert/strict";
import { Semaphore } from "../../../lib/util/semaphore.ts";

Deno.test("Semaphore bounds what is under way, in the order in which it was asked for", async () => {
  const semaphore = new Semaphore(2);
  const started: number[] = [];
  let [running, most] = [0, 0];
  const work = (n: number) => async () => {
    started.push(n);
    most = Math.max(most, ++running);
    await new Promise((done) => setTimeout(done));
    running--;
    return n;
  };
  const all = Array.from({ length: 6 }, (_, n) => semaphore.run(work(n)));
  assert.deepEqual(await Promise.all(all), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(started, [0, 1, 2, 3, 4, 5]);
  assert.equal(most, 2);
});

Deno.test("Semaphore has room again after work that fails", async () => {
  const semaphore = new Semaphore(1);
  const failed = semaphore.run(() => Promise.reject(new Error("failed")));
  const next = semaphore.run(() => Promise.resolve("done"));
  await assert.rejects(failed, /failed/);
  assert.equal(await next, "done");
  assert.equal(await semaphore.run(() => Promise.resolve("again")), "again");
});
