import { QUIET } from "../../../../lib/util/log.ts";
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { isRetryable, SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import { fenced, paced, retrying, treatAsPassing } from "../../../../lib/sink/connection/wrappers.ts";
import { type Transport } from "../../../../lib/sink/connection/transport.ts";
import { jsonBytes } from "../../../../lib/util/json_writer.ts";
import { messageOf } from "../../../../lib/util/errors.ts";
import { OutageTracker } from "../../../../lib/util/outage.ts";
import { Shutdown } from "../../../../lib/util/shutdown.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

const REFUSED = new SinkError("something new", { code: "XX000" });
const LOST = new SinkError("write CONNECTION_CLOSED localhost:5432", { code: "CONNECTION_CLOSED" });
const CLOSED = new SinkError('The relation "doc.t" doesn\'t support or allow DELETE operations', {
  code: "XX000",
});
const WRONG = new SinkError("line 1:1: mismatched input", { code: "42601" });

/** Fails with one after the other, then succeeds. */
const failing = (...errors: Error[]): Transport => ({
  dialect: CRATEDB,
  query: () => {
    const error = errors.shift();
    return error ? Promise.reject(error) : Promise.resolve({ count: 1, rows: [] });
  },
  async [Symbol.asyncDispose]() {},
});

const outcome = (transport: Transport) => transport.query("SELECT 1").then(() => undefined, (error) => error);

Deno.test("treatAsPassing() treats an unspecific error as passing after a lost connection only", async () => {
  const clock = { time: 1_000_000, monotonic: () => clock.time };
  const transport = treatAsPassing(failing(REFUSED, LOST, REFUSED, WRONG, REFUSED), clock);
  assert.equal(await outcome(transport), REFUSED);
  assert.equal(await outcome(transport), LOST);
  clock.time += 59_999;
  const starting = await outcome(transport);
  assert.ok(isRetryable(starting));
  assert.match(starting.message, /something new/);
  assert.equal(await outcome(transport), WRONG);
  clock.time += 1;
  assert.equal(await outcome(transport), REFUSED);
  assert.equal(await outcome(transport), undefined);
});

Deno.test("treatAsPassing() omits the message of a write, which may quote values, because an outage is logged", async () => {
  const clock = { time: 1_000_000, monotonic: () => clock.time };
  const transport = treatAsPassing(failing(LOST, REFUSED), clock);
  assert.equal(await outcome(transport), LOST);
  await assert.rejects(transport.query("INSERT …", [], { writes: true }), {
    message: "CrateDB refuses the row (code XX000)",
    kind: "unavailable",
  });
});

Deno.test("treatAsPassing() does so for ten seconds after a table was closed", async () => {
  const clock = { time: 1_000_000, monotonic: () => clock.time };
  const transport = treatAsPassing(failing(CLOSED, REFUSED, REFUSED), clock);
  assert.equal(await outcome(transport), CLOSED);
  clock.time += 9_999;
  assert.ok(isRetryable(await outcome(transport)));
  clock.time += 1;
  assert.equal(await outcome(transport), REFUSED);
});

Deno.test("fenced() sends nothing unless the check resolves", async () => {
  const no = new Error("not ours");
  let checks = 0;
  let sent = 0;
  const plain = failing();
  const counting = { ...plain, query: () => (sent++, plain.query("")) };
  const transport = fenced(counting, () => checks++ === 0 ? Promise.resolve() : Promise.reject(no));
  assert.equal(await outcome(transport), undefined);
  assert.equal(await outcome(transport), no);
  assert.equal(sent, 1);
});

for (const [limitMs, isLong] of [[undefined, false], [5_000, false], [3_600_000, true]] as const) {
  Deno.test(`retrying() lets a statement with ${limitMs ?? "no"} ms be silent${isLong ? " for long" : ""}`, async () => {
    const outages = new OutageTracker({ system: "CrateDB", emit: () => {} });
    const answer = Promise.withResolvers<{ count: number; rows: [] }>();
    const transport = retrying({ ...failing(), query: () => answer.promise }, {
      shutdown: new Shutdown(new AbortController().signal),
      outages,
      retryFor: Infinity,
    });
    const asking = transport.query("SELECT 1", [], limitMs === undefined ? {} : { limitMs });
    const since = performance.now();
    while (performance.now() === since) await Promise.resolve();
    assert.equal(outages.waited > 0, !isLong);
    answer.resolve({ count: 0, rows: [] });
    await asking;
    assert.equal(outages.waited, 0);
  });
}
const LOGIN = new SinkError("password authentication failed", { code: "401" });
const FOREIGN = new SinkError("HTTP status 404", { code: "404", kind: "foreign server" });

/** How often a statement is sent that fails so often in this way, and its outcome. */
async function tries(error: Error, times: number, options = {}, retryFor = Infinity) {
  let sent = 0;
  const errors = Array.from({ length: times }, () => error);
  const plain = failing(...errors);
  const emit = () => {};
  const transport = retrying({ ...plain, query: (sql) => (sent++, plain.query(sql)) }, {
    shutdown: new Shutdown(new AbortController().signal),
    outages: new OutageTracker({ system: "CrateDB", emit }),
    retryFor,
  });
  const outcome = await transport.query("x", [], options).then(() => "written", (error) => error);
  return { sent, outcome };
}

for (const [what, error] of [["login", LOGIN], ["answer of another server", FOREIGN]] as const) {
  Deno.test(`retrying() tries again after a refused ${what}, and not at the start of the program`, async () => {
    assert.deepEqual(await tries(error, 2), { sent: 3, outcome: "written" });
    assert.deepEqual(await tries(error, 1, {}, 0), { sent: 1, outcome: error });
  });
}

Deno.test("retrying() waits for an unknown relation, unless another process may have dropped it", async () => {
  const unknown = new SinkError("Relation 'doc.t' unknown", { code: "4041" });
  assert.deepEqual(await tries(unknown, 1), { sent: 2, outcome: "written" });
  assert.deepEqual(await tries(unknown, 1, { mayBeDropped: true }), { sent: 1, outcome: unknown });
  assert.deepEqual(await tries(LOGIN, 1, { mayBeDropped: true }), { sent: 2, outcome: "written" });
});

Deno.test("retrying() retries a write four times after an unspecific error", async () => {
  assert.deepEqual(await tries(REFUSED, 4, { writes: true }), { sent: 5, outcome: "written" });
  assert.deepEqual(await tries(REFUSED, 9, { writes: true }), { sent: 5, outcome: REFUSED });
});

Deno.test("retrying() reports an unspecific error of a write without its message, and throws it with it", async () => {
  const seen: unknown[] = [];
  const transport = retrying(failing(...Array.from({ length: 5 }, () => REFUSED)), {
    shutdown: new Shutdown(new AbortController().signal),
    outages: new OutageTracker({
      system: "CrateDB",
      emit: (event) => void ("error" in event && seen.push(event.error)),
    }),
    retryFor: Infinity,
    clock: { monotonic: () => 0, wait: () => Promise.resolve() },
  });
  await assert.rejects(transport.query("INSERT …", [], { writes: true }), REFUSED);
  assert.deepEqual(seen.map(messageOf), ["CrateDB refuses the row (code XX000)"]);
});

Deno.test("retrying() does not do so for a read, and for a write that is a trial", async () => {
  assert.deepEqual(await tries(REFUSED, 1), { sent: 1, outcome: REFUSED });
  assert.deepEqual(await tries(REFUSED, 1, { writes: true, isTrial: true }), { sent: 1, outcome: REFUSED });
});

const OVERLOADED = new SinkError("rejected execution of a task", { code: "XX000" });

Deno.test("retrying() retries an overload, unless the caller repeats the statement in parts", async () => {
  assert.deepEqual(await tries(OVERLOADED, 1, { writes: true }), { sent: 2, outcome: "written" });
  assert.deepEqual(await tries(OVERLOADED, 1, { isDivisible: true }), { sent: 1, outcome: OVERLOADED });
  assert.deepEqual(await tries(LOST, 1, { isDivisible: true }), { sent: 2, outcome: "written" });
});

Deno.test("retrying() pauses before it leaves an overload to the caller, and reports no outage", async () => {
  const told: string[] = [];
  const clock = fakeClock();
  const outages = new OutageTracker({ system: "CrateDB", emit: ({ type }) => told.push(type), clock });
  const shutdown = new Shutdown(new AbortController().signal);
  const transport = retrying(failing(OVERLOADED), { shutdown, outages, retryFor: Infinity, clock });
  const asked = transport.query("x", [], { isDivisible: true }).then(() => "written", (error) => error);
  while (clock.waits === 0) await setImmediate();
  assert.deepEqual(told, []);
  clock.pass(100);
  assert.equal(await asked, OVERLOADED);
  assert.equal(await transport.query("a part").then(({ count }) => count), 1);
  assert.deepEqual(told, []);
});

const TOO_MUCH = "CrateDB is overloaded and refuses a statement: writing less at once";

Deno.test("paced() reports the size and the time of written rows, each refusal, and the first in the log", async () => {
  const clock = fakeClock(0);
  const told: unknown[] = [];
  const pace = {
    answered: (written: unknown) => void told.push(written),
    refused: (began: number) => told.push(began) === 1,
  };
  const log = { ...QUIET, warn: (text: string) => void told.push(text) };
  const failures = failing(OVERLOADED, LOST);
  const transport = paced(failures, pace, { clock, log });
  clock.pass(7);
  assert.equal(await outcome(transport), OVERLOADED);
  assert.equal(await outcome(transport), LOST);
  const rows = [["k1", "k2"], { json: ["{}", '{"a":1}'].map(jsonBytes) }, { json: [null, null] }];
  assert.deepEqual(await transport.query("INSERT", rows, { writes: true }), { count: 1, rows: [] });
  await transport.query("SELECT 1");
  await transport.query("DELETE", [["k1"]], { writes: true });
  assert.deepEqual(told, [7, TOO_MUCH, { began: 7, rows: 2, bytes: 2 + jsonBytes('{"a":1}').length }]);
});
