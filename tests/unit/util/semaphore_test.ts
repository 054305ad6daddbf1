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

Deno.test("Semaphore bounds the weight of what is under way, and runs alone what is too heavy", async () => {
  const semaphore = new Semaphore(10);
  let [weight, heaviest, most] = [0, 0, 0];
  const work = (own: number) => async () => {
    weight += own;
    most = Math.max(most, weight);
    if (own > 10) heaviest = Math.max(heaviest, weight);
    await new Promise((done) => setTimeout(done));
    weight -= own;
  };
  const weights = [4, 4, 4, 25, 4, 6, 1];
  await Promise.all(weights.map((own) => semaphore.run(work(own), own)));
  assert.equal(heaviest, 25);
  assert.equal(most, 25);
  most = 0;
  await Promise.all([4, 4, 4, 6].map((own) => semaphore.run(work(own), own)));
  assert.equal(most, 10);
});
