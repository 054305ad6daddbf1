import assert from "node:assert/strict";
import { type OutageEvent, OutageTracker } from "../../../lib/util/outage.ts";
import { backoff, retry, type RetryOptions } from "../../../lib/util/retry.ts";
import { Shutdown } from "../../../lib/util/shutdown.ts";

const OPTIONS: RetryOptions = {
  shutdown: new Shutdown(new AbortController().signal),
  outages: new OutageTracker({ system: "CrateDB", emit: () => {} }),
  isRetryable: () => true,
  retryFor: Infinity,
};

/** Fails the first times with errors that count. */
function failing(times: number): (() => Promise<string>) & { readonly tries: number } {
  let tries = 0;
  const operation = () => {
    tries++;
    return tries <= times ? Promise.reject(new Error(`failure ${tries}`)) : Promise.resolve("done");
  };
  return Object.defineProperty(operation, "tries", { get: () => tries }) as typeof operation & {
    tries: number;
  };
}

Deno.test("retry() gives the result of the first try", async () => {
  const operation = failing(0);
  assert.equal(await retry(operation, OPTIONS), "done");
  assert.equal(operation.tries, 1);
});

Deno.test("retry() continues after retryable errors, and emits the outage and its end once", async () => {
  const told: string[] = [];
  const emit = (event: OutageEvent) =>
    told.push(
      event.type === "outageBegan"
        ? `${event.system}: ${(event.error as Error).message}`
        : `${event.system} ${event.type}`,
    );
  const outages = new OutageTracker({ system: "CrateDB", emit });
  const operation = failing(2);
  assert.equal(await retry(operation, { ...OPTIONS, outages }), "done");
  assert.equal(operation.tries, 3);
  assert.deepEqual(told, ["CrateDB retried", "CrateDB: failure 1", "CrateDB retried", "CrateDB recovered"]);
});

Deno.test("retry() takes a refusal for an answer: the outage is over", async () => {
  const told: string[] = [];
  const outages = new OutageTracker({
    system: "CrateDB",
    emit: ({ type }) => type !== "retried" && told.push(type),
  });
  let tries = 0;
  const operation = () =>
    Promise.reject(new Error(tries++ === 0 ? "connection lost" : "has a column of that name"));
  const isRetryable = (error: unknown) => (error as Error).message === "connection lost";
  await assert.rejects(retry(operation, { ...OPTIONS, outages, isRetryable }), /has a column/);
  assert.deepEqual([told, outages.active], [["outageBegan", "recovered"], false]);
});

Deno.test("retry() has an open request during each try, and none between tries", async () => {
  const outages = new OutageTracker({ system: "CrateDB", emit: () => {} });
  const waited: number[] = [];
  const clock = {
    monotonic: () => performance.now(),
    wait: () => Promise.resolve(void waited.push(outages.waited)),
  };
  const operation = failing(1);
  const asking = retry(operation, { ...OPTIONS, outages, clock });
  assert.ok(outages.quietFor < Infinity);
  await asking;
  assert.deepEqual([waited, outages.waited], [[0], 0]);
});

const ONE_TRY: readonly (readonly [string, Partial<RetryOptions>])[] = [
  ["the error is not retryable", { isRetryable: () => false }],
  ["the time is over", { retryFor: 0 }],
];

for (const [what, options] of ONE_TRY) {
  Deno.test(`retry() throws the error when ${what}`, async () => {
    const operation = failing(1);
    await assert.rejects(retry(operation, { ...OPTIONS, ...options }), /failure 1/);
    assert.equal(operation.tries, 1);
  });
}

Deno.test("retry() is stopped while it waits", async () => {
  const stop = new AbortController();
  const operation = failing(Infinity);
  const isRetryable = () => {
    queueMicrotask(() => stop.abort());
    return true;
  };
  const shutdown = new Shutdown(stop.signal);
  await assert.rejects(retry(operation, { ...OPTIONS, shutdown, isRetryable }), { name: "AbortError" });
  assert.ok(operation.tries <= 2);
});

Deno.test("retry() tries once more after it was stopped", async () => {
  const shutdown = new Shutdown(AbortSignal.abort());
  assert.equal(await retry(failing(0), { ...OPTIONS, shutdown }), "done");
  const operation = failing(1);
  await assert.rejects(retry(operation, { ...OPTIONS, shutdown }), { name: "AbortError" });
  assert.equal(operation.tries, 1);
});

Deno.test("retry() begins no try when the time after a stop is over", async () => {
  let now = 0;
  const shutdown = new Shutdown(AbortSignal.abort(), () => now);
  now = 5_000;
  const operation = failing(0);
  await assert.rejects(retry(operation, { ...OPTIONS, shutdown }), { name: "AbortError" });
  assert.equal(operation.tries, 0);
});

Deno.test("retry() throws the last error when the time is over", async () => {
  const operation = failing(Infinity);
  await assert.rejects(retry(operation, { ...OPTIONS, retryFor: 120 }), ({ message }: Error) => {
    assert.equal(message, `failure ${operation.tries}`);
    return true;
  });
  assert.ok(operation.tries > 1);
});

Deno.test("backoff() ends with an error as soon as it is stopped", async () => {
  const stop = new AbortController();
  const waiting = backoff(10, stop.signal);
  stop.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});
