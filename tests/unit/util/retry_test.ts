import assert from "node:assert/strict";
import { createLogger, type Logger } from "../../../lib/util/log.ts";
import { backoff, retry, type RetryOptions } from "../../../lib/util/retry.ts";

const quiet: Logger = createLogger({ format: "text", level: "error", write: () => {} });
const OPTIONS: RetryOptions = {
  signal: new AbortController().signal,
  log: quiet,
  what: "The sink",
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

Deno.test("retry() goes on after transient errors and says so once, and when it is over", async () => {
  const lines: string[] = [];
  const log = createLogger({ format: "text", level: "info", write: (line) => lines.push(line) });
  const operation = failing(2);
  assert.equal(await retry(operation, { ...OPTIONS, log }), "done");
  assert.equal(operation.tries, 3);
  assert.equal(lines.length, 2, lines.join("\n"));
  assert.match(lines[0] ?? "", /WARN .*The sink failed.*failure 1/);
  assert.match(lines[1] ?? "", /INFO .*The sink answers again/);
});

const ONE_TRY: readonly (readonly [string, Partial<RetryOptions>])[] = [
  ["the error is not transient", { isRetryable: () => false }],
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
  await assert.rejects(retry(operation, { ...OPTIONS, signal: stop.signal, isRetryable }), {
    name: "AbortError",
  });
  assert.ok(operation.tries <= 2);
});

Deno.test("retry() tries once more after it was stopped", async () => {
  const signal = AbortSignal.abort();
  assert.equal(await retry(failing(0), { ...OPTIONS, signal }), "done");
  const operation = failing(1);
  await assert.rejects(retry(operation, { ...OPTIONS, signal }), { name: "AbortError" });
  assert.equal(operation.tries, 1);
});

Deno.test("retry() does not wait for ever for an answer once it is stopped", async () => {
  const stop = new AbortController();
  const waiting = retry(() => new Promise<never>(() => {}), { ...OPTIONS, signal: stop.signal });
  stop.abort();
  await assert.rejects(waiting, { name: "AbortError" });
  const started = performance.now();
  const next = retry(() => new Promise<never>(() => {}), { ...OPTIONS, signal: stop.signal });
  await assert.rejects(next, { name: "AbortError" });
  assert.ok(performance.now() - started < 2_000, "the next one has as long again");
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
  const started = performance.now();
  await assert.rejects(waiting, { name: "AbortError" });
  assert.ok(performance.now() - started < 1_000);
});
