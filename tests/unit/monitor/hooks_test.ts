import assert from "node:assert/strict";
import { join } from "node:path";
import { freePort } from "../../../dev/servers/free_port.ts";
import {
  checkMayRun,
  type Hook,
  maskWebhook,
  type Message,
  openHooks,
  parseWebhook,
  send,
} from "../../../lib/monitor/hooks.ts";
import { type EventKind, recordedEvent } from "../../../lib/sink/metadata/event_log.ts";
import type { UsageError } from "../../../lib/util/errors.ts";
import { QUIET } from "../../../lib/util/log.ts";
import { fakeClock } from "../../support/fake_clock.ts";

const MINUTE = 60_000;
const URL_WITH_SECRET = "https://hooks.example.org/services/T0/hush";

const eventOf = (kind: EventKind, message: string, stream = "shop") =>
  recordedEvent({ at: 0, stream, kind, message, details: { collection: "shop.orders" } });

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await null;
}

function hooked(hook: Partial<Hook> = {}, answer: () => Promise<void> = () => Promise.resolve()) {
  const clock = fakeClock();
  const sent: string[] = [];
  const failures: string[] = [];
  const logged: unknown[] = [];
  const hooks = openHooks([{ url: URL_WITH_SECRET, ...hook }], {
    clock,
    log: { ...QUIET, warn: (...line) => logged.push(line) },
    onFailure: ({ hook, error }) => failures.push(`${hook}: ${error}`),
    send: (_, { message, suppressed }) => {
      sent.push(suppressed > 0 ? `${message} +${suppressed}` : message);
      return answer();
    },
  });
  const tell = async (kind: EventKind, message: string, stream?: string) => {
    hooks.listen({ type: "recorded", event: eventOf(kind, message, stream) });
    await settle();
  };
  const pass = async (milliseconds: number) => {
    clock.pass(milliseconds);
    await settle();
  };
  return { clock, hooks, sent, failures, logged, tell, pass };
}

Deno.test("openHooks() tells what needs attention, or the kinds that were selected", async () => {
  const usual = hooked();
  for (const kind of ["started", "failed", "lag_high", "lag_normal"] as const) await usual.tell(kind, kind);
  assert.deepEqual(usual.sent, ["failed", "lag_high"]);
  const selected = hooked({ kinds: ["lag_normal"] });
  for (const kind of ["failed", "lag_normal"] as const) await selected.tell(kind, kind);
  assert.deepEqual(selected.sent, ["lag_normal"]);
});

Deno.test("openHooks() tells of a kind once in 15 minutes, and then the newest of the others", async () => {
  const { hooks, sent, tell, pass } = hooked();
  await tell("failed", "a");
  await pass(MINUTE);
  for (const message of ["b", "c", "d"]) await tell("failed", message);
  await tell("failed", "of another stream", "users");
  await tell("lag_high", "of another kind");
  assert.deepEqual(sent, ["a", "of another kind"]);
  await pass(14 * MINUTE - 1);
  assert.equal(sent.length, 2);
  await pass(1);
  assert.deepEqual(sent.slice(2), ["of another stream +3"]);
  await tell("failed", "e");
  await pass(15 * MINUTE);
  await pass(15 * MINUTE);
  await tell("failed", "f");
  assert.deepEqual(sent.slice(3), ["e", "f"]);
  await hooks[Symbol.asyncDispose]();
});

Deno.test("openHooks() tries three times, reports the failure without the URL, and goes on", async () => {
  const { sent, failures, logged, tell, pass } = hooked({}, () => Promise.reject(new Error("refused")));
  await tell("failed", "a");
  for (let second = 0; second < 10; second++) await pass(1_000);
  assert.deepEqual([sent, failures], [["a", "a", "a"], ["https://hooks.example.org/***: refused"]]);
  assert.doesNotMatch(JSON.stringify(logged), /hush/);
  await tell("lag_high", "b");
  assert.equal(sent.at(-1), "b");
});

Deno.test("openHooks() holds the newest event only, however long a hook hangs", async () => {
  const { sent, tell, pass } = hooked({}, () => new Promise(() => {}));
  for (let event = 0; event < 1_000; event++) await tell("failed", String(event));
  assert.deepEqual(sent, ["0"]);
  await pass(15 * MINUTE);
  assert.deepEqual(sent, ["0", "999 +998"]);
});

Deno.test("openHooks() waits 3 seconds for a hook that hangs at the end", async () => {
  const { clock, hooks, tell } = hooked({}, () => new Promise(() => {}));
  await tell("failed", "a");
  await tell("failed", "held");
  const closed = hooks[Symbol.asyncDispose]();
  await settle();
  clock.pass(3_000);
  await closed;
  await settle();
  assert.equal(clock.waits, 0);
});

const MESSAGE: Message = {
  ...eventOf("failed", "orders <&> more"),
  suppressed: 2,
};

/** What a receiver gets, which answers with this status. */
async function received(hook: Hook, status = 200) {
  const bodies: unknown[] = [];
  const serving = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    bodies.push(await request.json());
    return new Response("no", { status });
  });
  const url = `http://127.0.0.1:${serving.addr.port}/hush`;
  try {
    await send({ ...hook, url }, MESSAGE, new AbortController().signal);
  } finally {
    await serving.shutdown();
  }
  return bodies;
}

Deno.test("send() posts an event as JSON, or in the form of Slack", async () => {
  assert.deepEqual(await received({}), [JSON.parse(JSON.stringify(MESSAGE))]);
  assert.deepEqual(await received({ format: "slack" }), [{
    text: "*error* shop: orders &#60;&#38;&#62; more (and 2 more before)",
  }]);
});

Deno.test("send() fails if the receiver refuses, is away or hangs, and names no secret", async () => {
  await assert.rejects(received({}, 500), /^Error: it has answered 500$/);
  // Following it would ask without the event.
  await assert.rejects(received({}, 302), /^Error: it has answered 302$/);
  const { signal } = new AbortController();
  const away = `127.0.0.1:${await freePort()}`;
  await assert.rejects(send({ url: `http://${away}/hush` }, MESSAGE, signal), (error) => {
    assert.ok(String(error).includes(`${away}/***`), String(error));
    assert.doesNotMatch(String(error), /hush/);
    return true;
  });
  const stop = new AbortController();
  const asked = Promise.withResolvers<void>();
  await using hanging = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
    asked.resolve();
    return new Promise<Response>((resolve) => stop.signal.onabort = () => resolve(new Response()));
  });
  const sending = send({ url: `http://127.0.0.1:${hanging.addr.port}/` }, MESSAGE, stop.signal);
  await asked.promise;
  stop.abort();
  await assert.rejects(sending);
});

Deno.test("send() runs a program without a shell, which reads the event", async () => {
  const file = await Deno.makeTempFile();
  try {
    const { signal } = new AbortController();
    await send({ exec: ["tee", file] }, MESSAGE, signal);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(file)), JSON.parse(JSON.stringify(MESSAGE)));
    // A shell would make an empty text of it.
    await assert.rejects(
      send({ exec: ["test", "-z", "$(true)"] }, MESSAGE, signal),
      /it has ended with code 1/,
    );
    await assert.rejects(send({ exec: ["/no/such; program"] }, MESSAGE, signal), /ENOENT/);
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("maskWebhook() keeps the host alone", () => {
  assert.equal(maskWebhook("https://me:hush@example.org:8443/a?hush=1#b"), "https://example.org:8443/***");
  assert.equal(
    maskWebhook(`for url (${URL_WITH_SECRET}): refused`),
    "for url (https://hooks.example.org/***): refused",
  );
});

Deno.test("parseWebhook() takes URLs of HTTP", () => {
  assert.equal(parseWebhook(URL_WITH_SECRET), URL_WITH_SECRET);
  for (const text of ["example.org", "ftp://example.org/", "file:///etc"]) {
    assert.throws(() => parseWebhook(text), RangeError);
  }
});

Deno.test("checkMayRun() refuses a program that Deno may not run, and says what to do", () => {
  const permissions = (state: string) => ({ querySync: () => ({ state }) });
  checkMayRun("notify", permissions("granted"));
  assert.throws(() => checkMayRun("notify", permissions("prompt")), (error: UsageError) => {
    assert.match(error.message, /^Deno may not run notify/);
    assert.match(error.hint ?? "", /--allow-run=notify/);
    return true;
  });
});

Deno.test("cdc-relay with a program as hook does not start with the permissions for production", async () => {
  await using folder = new AsyncDisposableStack();
  const path = await Deno.makeTempDir();
  folder.defer(() => Deno.remove(path, { recursive: true }));
  await Deno.writeTextFile(
    `${path}/relay.yaml`,
    "version: 1\nhooks: [{ exec: [notify] }]\nmongodb: { url: mongodb://localhost:1 }\nstreams: { shop: {} }\n",
  );
  const root = join(import.meta.dirname ?? "", "..", "..", "..");
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...`run --no-check -P=production mongodb_cdc_cratedb.ts cdc-relay --config`.split(" "),
      `${path}/relay.yaml`,
    ],
    cwd: root,
    stdin: "null",
    stdout: "null",
  }).output();
  const text = new TextDecoder().decode(stderr);
  assert.equal(code, 2);
  assert.match(text, /Deno may not run notify.*/);
  assert.match(text, /--allow-run=notify/);
});
