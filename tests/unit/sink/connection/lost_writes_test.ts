import assert from "node:assert/strict";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { Query, Result, Transport } from "../../../../lib/sink/connection/transport.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { countingWrites } from "../../../../lib/sink/connection/lost_writes.ts";
import { fenced } from "../../../../lib/sink/connection/wrappers.ts";
import { eventually } from "../../../../dev/servers/eventually.ts";
import { fakeClock } from "../../../support/fake_clock.ts";
import { createLogger } from "../../../../lib/util/log.ts";

const LOST = new SinkError("socket hang up", { code: "ECONNRESET" });
const HIDDEN = new SinkError("Schema 'sys' unknown", { code: "4045" });

/** A server that loses answers to statements which contain "lost", and runs those on for some looks. */
function setUp({ looks = 3, error = LOST }: { looks?: number; error?: SinkError } = {}) {
  const sent: string[] = [];
  const lines: string[] = [];
  const running = new Map<string, number>();
  const state = { time: 0, visible: true };
  const query: Query = (sql, parameters = []): Promise<Result> => {
    const isLook = sql.startsWith(CRATEDB.running);
    sent.push(isLook ? "look" : sql.replace(/^\/\* cdc-relay \S+ \*\/ /, ""));
    if (sql.includes("lost")) {
      running.set(sql, looks);
      return Promise.reject(error);
    }
    if (!isLook) return Promise.resolve({ count: 1, rows: [] });
    if (!state.visible) return Promise.reject(HIDDEN);
    const pattern = String(parameters[0]).replace("%", "");
    const found = [...running].filter(([text, left]) => text.startsWith(pattern) && left > 0);
    for (const [text, left] of found) running.set(text, left - 1);
    return Promise.resolve({ count: found.length, rows: found.map(([text]) => [text.slice(0, 100)]) });
  };
  const server: Transport = { dialect: CRATEDB, query, async [Symbol.asyncDispose]() {} };
  const counting = countingWrites(server, {
    clock: { monotonic: () => state.time, wait: (ms) => Promise.resolve(void (state.time += ms)) },
    log: createLogger({ format: "text", level: "info", write: (line) => lines.push(line) }),
  });
  let checks = 0;
  const transport = fenced(counting, () => Promise.resolve(void checks++), counting);
  const write = (sql: string) => transport.query(sql, [], { writes: true }).catch((error) => error);
  return { counting, transport, write, sent, lines, state, checks: () => checks };
}

Deno.test("A write whose answer was lost is waited for before the next write, and not before a read", async () => {
  const { counting, transport, write, sent } = setUp({ looks: 2 });
  assert.equal(await write("UPDATE lost"), LOST);
  assert.ok(counting.writing);
  await transport.query("SELECT 1");
  await write("UPDATE again");
  assert.deepEqual(sent, ["UPDATE lost", "SELECT 1", "look", "look", "look", "UPDATE again"]);
  assert.ok(!counting.writing);
});

Deno.test("Writes wait together for a lost one, and ask for the lease after it", async () => {
  const { write, sent, checks } = setUp({ looks: 1 });
  await write("UPDATE lost");
  const before = checks();
  const writes = [write("UPDATE one"), write("UPDATE two")];
  assert.equal(checks(), before);
  await Promise.all(writes);
  assert.deepEqual(sent, ["UPDATE lost", "look", "look", "UPDATE one", "UPDATE two"]);
});

Deno.test("No look at the server if no answer was lost", async () => {
  for (const code of ["ECONNREFUSED", "4000", "429"]) {
    const { write, sent } = setUp({ error: new SinkError("no", { code }) });
    await write("UPDATE lost");
    await write("UPDATE again");
    assert.deepEqual(sent, ["UPDATE lost", "UPDATE again"], code);
  }
});

Deno.test("A lost write that is listed for ever is waited for two minutes", async () => {
  const { write, sent, lines, state } = setUp({ looks: Infinity });
  await write("UPDATE lost");
  await write("UPDATE again");
  assert.equal(state.time, 120_000);
  assert.equal(sent.at(-1), "UPDATE again");
  assert.match(lines.join(), /still listed as running/);
});

Deno.test("A user that may not see statements is warned once, and writes go on", async () => {
  const { write, sent, lines, state } = setUp();
  state.visible = false;
  for (const sql of ["UPDATE lost", "UPDATE lost", "UPDATE again"]) await write(sql);
  assert.deepEqual(sent, ["UPDATE lost", "look", "UPDATE lost", "look", "UPDATE again"]);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /GRANT DQL ON TABLE sys\.jobs/);
});

/** A server that loses the answer to every write, and runs those on that contain "on". */
function losing(onLook: () => Promise<void> = () => Promise.resolve()) {
  const running: string[] = [];
  let looks = 0;
  const query: Query = async (sql) => {
    if (sql !== CRATEDB.running) {
      if (sql.endsWith("on")) running.push(sql);
      throw LOST;
    }
    looks++;
    const rows = running.map((text) => [text.slice(0, 100)]);
    await onLook();
    return { count: rows.length, rows };
  };
  const server: Transport = { dialect: CRATEDB, query, async [Symbol.asyncDispose]() {} };
  const clock = fakeClock();
  const counting = countingWrites(server, { clock });
  const write = (sql: string) => counting.query(sql, [], { writes: true }).catch(() => {});
  return { counting, write, running, clock, looks: () => looks };
}

Deno.test("A write that is lost during a look is looked for by the next one", async () => {
  const looking = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const { counting, write, running, clock, looks } = losing(() => {
    looking.resolve();
    return answer.promise;
  });
  await write("UPDATE ended");
  const settled = counting.settled();
  await looking.promise;
  await write("UPDATE goes on");
  answer.resolve();
  await eventually(() => assert.ok(clock.waits > 0 || !counting.writing));
  assert.ok(counting.writing);
  running.length = 0;
  clock.pass(200);
  await settled;
  assert.ok(!counting.writing);
  assert.equal(looks(), 2);
});

Deno.test("No look at the server after the transport is disposed of", async () => {
  const { counting, write, clock, looks } = losing();
  await write("UPDATE goes on");
  const settled = counting.settled().then(() => undefined, (error) => error);
  await eventually(() => assert.equal(clock.waits, 1));
  await counting[Symbol.asyncDispose]();
  clock.pass(200);
  assert.equal((await settled)?.name, "AbortError");
  await assert.rejects(counting.settled(), { name: "AbortError" });
  assert.equal(looks(), 1);
});

Deno.test("idle() resolves when all writes have ended, also those that began meanwhile", async () => {
  const answers: (() => void)[] = [];
  const query: Query = () => new Promise((resolve) => answers.push(() => resolve({ count: 1, rows: [] })));
  const counting = countingWrites({ dialect: CRATEDB, query, async [Symbol.asyncDispose]() {} });
  const write = () => void counting.query("UPDATE t", [], { writes: true });
  write();
  let isIdle = false;
  const idle = counting.idle().then(() => isIdle = true);
  write();
  answers[0]?.();
  await new Promise((resolve) => setTimeout(resolve)); // All that the answer has as its consequence.
  assert.equal(isIdle, false);
  answers[1]?.();
  await idle;
  assert.ok(!counting.writing);
});
