import assert from "node:assert/strict";
import { eventually } from "../../../../dev/servers/eventually.ts";
import { countingWrites } from "../../../../lib/sink/connection/lost_writes.ts";
import { openNodes } from "../../../../lib/sink/connection/nodes.ts";
import { openTransport, sinkDescription } from "../../../../lib/sink/connection/open_transport.ts";
import { isAnswerLost, isRetryable, SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { parseSinkUrl } from "../../../../lib/sink/connection/url.ts";
import { fenced, retrying } from "../../../../lib/sink/connection/wrappers.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import { createLogger } from "../../../../lib/util/log.ts";
import { type OutageEvent, OutageTracker } from "../../../../lib/util/outage.ts";
import { Shutdown } from "../../../../lib/util/shutdown.ts";
import { type FakeClock, fakeClock } from "../../../support/fake_clock.ts";
import { silentPostgresql } from "../../../support/silent_postgresql.ts";

const REFUSED = new SinkError("connect ECONNREFUSED", { code: "ECONNREFUSED" });
const LOST = new SinkError("socket hang up", { code: "ECONNRESET" });
const LATE = new SinkError("no answer within 120 s", { code: "ETIMEDOUT" });
const WRONG = new SinkError("line 1:1: mismatched input", { code: "4000" });
const CERTIFICATE = new SinkError("certificate has expired", { code: "CERT_HAS_EXPIRED" });
const NO_MASTER = new SinkError("blocked by: [SERVICE_UNAVAILABLE/2/no master];", { code: "5000" });

type State = "answers" | "silent" | SinkError;

/** A cluster of two nodes that behave as in `state`, what they got and have not answered, and how statements are sent. */
function cluster() {
  const unanswered = new Set<Transport>();
  const late = Promise.withResolvers<{ count: number; rows: [] }>();
  const state: Record<string, State> = { a: "answers", b: "answers" };
  const sent: string[] = [];
  const lines: string[] = [];
  const events: OutageEvent["type"][] = [];
  const clock = fakeClock();
  const node = (name: string): Transport => {
    const closed = Promise.withResolvers<never>();
    closed.promise.catch(() => {});
    const transport: Transport = {
      dialect: CRATEDB,
      query: (sql) => {
        if (sql !== "SELECT version()") sent.push(`${name} ${sql.replace(/^\/\*.*\*\/ /, "")}`);
        const now = state[name] ?? "answers";
        if (now === "silent") {
          unanswered.add(transport);
          return sql === "SELECT 1" ? closed.promise : Promise.race([closed.promise, late.promise]);
        }
        return now === "answers" ? Promise.resolve({ count: 1, rows: [] }) : Promise.reject(now);
      },
      [Symbol.asyncDispose]() {
        closed.reject(LOST);
        unanswered.delete(transport);
        return Promise.resolve();
      },
    };
    return transport;
  };
  const open = () =>
    openNodes(parseSinkUrl("crate://a:4200,b:4200"), ({ host }) => node(host), {
      clock,
      log: createLogger({ format: "text", level: "info", write: (line) => lines.push(line) }),
    });
  const patient = (transport: Transport) =>
    retrying(transport, {
      shutdown: new Shutdown(new AbortController().signal),
      outages: new OutageTracker({ system: "CrateDB", emit: ({ type }) => void events.push(type), clock }),
      retryFor: Infinity,
      clock,
    });
  const answerLate = () => late.resolve({ count: 1, rows: [] });
  return { state, sent, lines, events, clock, unanswered, answerLate, open, patient };
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => undefined, (error) => error);

Deno.test("openNodes() stays with the first node that answers, and logs why it is not the first one", async () => {
  const { state, sent, lines, open } = cluster();
  state.a = REFUSED;
  await using transport = await open();
  state.a = "answers";
  await transport.query("one");
  await transport.query("two");
  assert.deepEqual(sent, ["a SELECT 1", "b SELECT 1", "b one", "b two"]);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /WARN .* node=a:4200 error="connect ECONNREFUSED" instead=b:4200$/);
});

Deno.test("openNodes() asks the next node if the first one is late", async () => {
  const { state, sent, clock, open } = cluster();
  state.a = "silent";
  const opening = open();
  await eventually(() => assert.equal(clock.waits, 1));
  clock.pass(1_000);
  await using transport = await opening;
  await transport.query("x");
  assert.deepEqual(sent, ["a SELECT 1", "b SELECT 1", "b x"]);
});

Deno.test("openNodes() fails with the errors of all nodes, of the kind of a refusal", async () => {
  const { state, open } = cluster();
  state.a = CERTIFICATE;
  state.b = new SinkError("password authentication failed", { code: "401" });
  const error = await failure(open());
  assert.ok(error instanceof SinkError);
  assert.equal(error.kind, "login");
  assert.equal(error.message, "certificate has expired; password authentication failed");
});

for (const [what, error] of Object.entries({ "is not reached": REFUSED, "has no master": NO_MASTER })) {
  Deno.test(`A statement goes to another node at once if its own ${what}, and that is no outage`, async () => {
    const { state, sent, lines, events, open, patient } = cluster();
    await using transport = await open();
    state.a = error;
    await patient(transport).query("x");
    assert.deepEqual(sent, ["a SELECT 1", "a x", "b x"]);
    assert.deepEqual(events, []);
    assert.match(lines[0] ?? "", /node=a:4200 .* instead=b:4200$/);
  });
}

Deno.test("An outage begins if no node answers, and ends with the first one that does", async () => {
  const { state, sent, lines, events, clock, open, patient } = cluster();
  await using transport = await open();
  state.a = state.b = NO_MASTER;
  const asking = patient(transport).query("x");
  await eventually(() => assert.deepEqual(events, ["retried", "outageBegan"]));
  assert.deepEqual(sent.slice(1), ["a x", "b x"]);
  state.a = "answers";
  await eventually(() => assert.equal(clock.waits, 1));
  clock.pass(100);
  await asking;
  assert.deepEqual(sent.slice(3), ["a x"]);
  assert.deepEqual(events, ["retried", "outageBegan", "recovered"]);
  assert.equal(lines.length, 1);
});

Deno.test("A refusal and a late answer are no reason to leave a node out", async () => {
  const { state, sent, open } = cluster();
  await using transport = await open();
  for (const error of [WRONG, LATE]) {
    state.a = error;
    assert.equal(await failure(transport.query("x")), error);
  }
  state.a = "answers";
  await transport.query("x");
  assert.deepEqual(sent.slice(1), ["a x", "a x", "a x"]);
});

Deno.test("A node that is silent while another one answers loses its statements to that one", async () => {
  const { state, sent, lines, events, clock, open, patient } = cluster();
  await using transport = await open();
  state.a = "silent";
  const asking = ["one", "two"].map((sql) => patient(transport).query(sql));
  await eventually(() => assert.equal(clock.waits, 2));
  clock.pass(2_000);
  await eventually(() => assert.equal(clock.waits, 1));
  clock.pass(1_000);
  await Promise.all(asking);
  assert.deepEqual(sent.slice(1), ["a one", "a two", "a SELECT 1", "b SELECT 1", "b one", "b two"]);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /error="no answer, while another node answers" instead=b:4200$/);
  assert.deepEqual(events, []);
});

/** Has the transport's nodes asked because of a statement without an answer: the first one, then the second. */
async function askBoth(clock: FakeClock) {
  for (const milliseconds of [2_000, 1_000]) {
    await eventually(() => assert.equal(clock.waits, 1));
    clock.pass(milliseconds);
  }
}

Deno.test("The error of a statement at a silent node gives the reason, and its answer may be lost", async () => {
  const { state, clock, open } = cluster();
  await using transport = await open();
  state.a = "silent";
  const failing = failure(transport.query("x"));
  await askBoth(clock);
  const error = await failing;
  assert.match(String(error), /a:4200: no answer, while another node answers$/);
  assert.ok(isRetryable(error) && isAnswerLost(error));
});

Deno.test("A node that was left out takes over as soon as it answers", async () => {
  const { state, sent, events, clock, open, patient } = cluster();
  await using transport = await open();
  state.a = REFUSED;
  await patient(transport).query("one");
  Object.assign(state, { a: "answers", b: "silent" });
  const asking = patient(transport).query("two");
  await askBoth(clock);
  await asking;
  assert.equal(sent.at(-1), "a two");
  assert.deepEqual(events, []);
});

Deno.test("A node keeps its place if it answers the statement while the others are asked", async () => {
  const { state, sent, clock, answerLate, open } = cluster();
  await using transport = await open();
  state.a = "silent";
  const slow = transport.query("slow");
  const asking = askBoth(clock);
  await eventually(() => assert.equal(sent.at(-1), "a SELECT 1"));
  answerLate();
  await slow;
  await asking;
  await eventually(() => assert.equal(sent.at(-1), "b SELECT 1"));
  state.a = "answers";
  await transport.query("x");
  assert.equal(sent.at(-1), "a x");
});

Deno.test("A long statement stays at its node while that one answers others", async () => {
  const { state, sent, clock, open } = cluster();
  await using transport = await open();
  state.a = "silent";
  const long = transport.query("long");
  state.a = "answers";
  for (const asked of [1, 2]) {
    await eventually(() => assert.equal(clock.waits, 1));
    clock.pass(2_000);
    await eventually(() => assert.equal(sent.length, 2 + asked));
  }
  await transport.query("x");
  assert.deepEqual(sent, ["a SELECT 1", "a long", "a SELECT 1", "a SELECT 1", "a x"]);
  await transport[Symbol.asyncDispose]();
  assert.equal(await failure(long), LOST);
});

Deno.test("A silent node keeps its statements while no other node answers", async () => {
  const { state, sent, clock, unanswered, open } = cluster();
  const transport = await open();
  state.a = "silent";
  state.b = REFUSED;
  const asking = transport.query("x");
  for (const [milliseconds, count] of [[2_000, 3], [1_000, 4]] as const) {
    await eventually(() => assert.equal(clock.waits, 1));
    clock.pass(milliseconds);
    await eventually(() => assert.equal(sent.length, count));
  }
  assert.deepEqual(sent.slice(1), ["a x", "a SELECT 1", "b SELECT 1"]);
  await transport[Symbol.asyncDispose]();
  assert.equal(await failure(asking), LOST);
  assert.equal(unanswered.size, 0);
});

Deno.test("A wrong certificate of one node does not end the program when the other one restarts", async () => {
  const { state, clock, open } = cluster();
  state.a = CERTIFICATE;
  await using transport = await open();
  state.b = REFUSED;
  for (const _ of [1, 2, 3]) {
    const error = await failure(transport.query("x"));
    assert.ok(error instanceof SinkError);
    assert.equal(error.kind, "unreachable");
  }
  state.b = "answers";
  clock.pass(10_000);
  await failure(transport.query("x"));
  await transport.query("x");
});

Deno.test("A write whose answer a node has lost is looked for at the other one before it is repeated there", async () => {
  const { state, sent, events, clock, open, patient } = cluster();
  await using nodes = await open();
  await using counting = countingWrites(nodes, { clock });
  state.a = LOST;
  await patient(fenced(counting, () => Promise.resolve(), counting)).query("UPDATE t", [], { writes: true });
  assert.deepEqual(sent.slice(1), ["a UPDATE t", `b ${CRATEDB.running}`, "b UPDATE t"]);
  assert.deepEqual(events, []);
});

/** A node that answers every statement. */
function startNode(name: string) {
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => Response.json({ rowcount: 1, rows: [[name]] }),
  );
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("openTransport() reads over HTTP from the node that answers, with the same user and password", async () => {
  await using one = startNode("CrateDB 5.10.1");
  await using other = startNode("CrateDB 5.10.2");
  const address = parseSinkUrl(`crate://me:pw@127.0.0.1:${one.port},127.0.0.1:${other.port}`);
  await using transport = await openTransport(address);
  assert.deepEqual(await sinkDescription(transport, address), {
    address: `http://127.0.0.1:${one.port},127.0.0.1:${other.port}`,
    version: "5.10.1",
  });
  assert.ok(transport.dialect.rowErrors);
  await one[Symbol.asyncDispose]();
  assert.deepEqual((await transport.query("SELECT name")).rows, [["CrateDB 5.10.2"]]);
});

Deno.test("openTransport() repeats no write at another node, and names the one that failed", async () => {
  await using one = startNode("one");
  await using other = startNode("other");
  const url = `crate://127.0.0.1:${one.port},127.0.0.1:${other.port}`;
  await using transport = await openTransport(parseSinkUrl(url));
  await one[Symbol.asyncDispose]();
  const error = await failure(transport.query("UPDATE t", [], { writes: true }));
  assert.ok(error instanceof SinkError);
  assert.match(error.message, new RegExp(`^http://127\\.0\\.0\\.1:${one.port}/_sql: `));
  assert.deepEqual((await transport.query("UPDATE t")).rows, [["other"]]);
});

Deno.test("openTransport() reads over the wire from the node that answers", async () => {
  await using server = silentPostgresql({ login: "answered" });
  const url = `postgresql://me@127.0.0.1:1,127.0.0.1:${server.port}/doc`;
  await using transport = await openTransport(parseSinkUrl(url));
  assert.equal(transport.dialect.name, "PostgreSQL");
  assert.deepEqual([...(await transport.query("SELECT 1")).rows], [["PostgreSQL 16"]]);
});
