import assert from "node:assert/strict";
import { Controller } from "../../../../lib/pipeline/control/controller.ts";
import { type ControlledStream, RefusedError, type Verbs } from "../../../../lib/pipeline/control/verb.ts";
import type { RelayEvent } from "../../../../lib/pipeline/status/events.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { requestsInMemory } from "../../../support/requests_in_memory.ts";

/** A controller whose verbs note what they do. */
function controlling({ stream = "shop.*", streams = 1, requests = requestsInMemory("shop.*") } = {}) {
  const done: string[] = [];
  const events: RelayEvent[] = [];
  const logged: string[] = [];
  const relay = new AbortController();
  const open = Promise.withResolvers<void>();
  const verbs: Verbs = {
    note: {
      kind: "immediate",
      read: ({ text }) => {
        if (text === "bad") throw new RefusedError("bad text", { hint: "Another one." });
        return ({ isResumed }) => {
          done.push(`${text}${isResumed ? " again" : ""}`);
          return text === "error"
            ? Promise.reject(new Error("went wrong"))
            : Promise.resolve(`noted ${text}`);
        };
      },
    },
    long: {
      kind: "long",
      read: () => async ({ signal, progress }) => {
        done.push("long");
        progress("half");
        await Promise.race([
          open.promise,
          new Promise((_, reject) => signal.onabort = () => reject(signal.reason)),
        ]);
        return "ended";
      },
    },
  };
  const controller = new Controller({
    requests,
    verbs,
    streamFor: () => ({}) as ControlledStream,
    stream,
    countStreams: () => Promise.resolve(streams),
    emit: (event) => events.push(event),
    log: { ...QUIET, info: (message, fields) => logged.push(message, JSON.stringify(fields)) },
    clock: {
      wait: (_, { signal } = {}) =>
        new Promise((resolve) => signal?.addEventListener("abort", () => resolve())),
    },
    signal: relay.signal,
  });
  return { controller, requests, done, events, logged, relay, open };
}

Deno.test("Controller executes requests in order, each once", async () => {
  const { controller, requests, done, events } = controlling();
  requests.put({ id: "a", verb: "note", arguments: { text: "1" } });
  requests.put({ id: "b", verb: "note", arguments: { text: "2" } });
  await controller.poll();
  await controller.poll();
  assert.deepEqual(done, ["1", "2"]);
  assert.deepEqual(requests.ends, ["a done", "b done"]);
  assert.equal(requests.rows.get("a")?.message, "noted 1");
  const states = events.flatMap((each) => each.type === "requestChanged" ? [each.request.state] : []);
  assert.deepEqual(states, ["running", "done", "running", "done"]);
});

Deno.test("Controller keeps the end of a request whose table cannot be refreshed then", async () => {
  const memory = requestsInMemory("shop.*");
  const requests = { ...memory, show: () => Promise.reject(new Error("no shard is active")) };
  const { controller, events } = controlling({ requests });
  requests.put({ id: "a", verb: "note", arguments: { text: "1" } });
  await controller.poll();
  assert.deepEqual([requests.ends, requests.states()], [["a done"], { a: "done" }]);
  const states = events.flatMap((each) => each.type === "requestChanged" ? [each.request.state] : []);
  assert.deepEqual(states, ["running", "done"]);
});

Deno.test("Controller refuses a cancel that names itself", async () => {
  const { controller, requests } = controlling();
  requests.put({ id: "a", verb: "cancel", arguments: { id: "a" } });
  await controller.poll();
  assert.deepEqual(requests.ends, ["a refused"]);
});

Deno.test("Controller does not execute again what a stale query returns", async () => {
  const { controller, requests, done } = controlling();
  requests.put({ id: "a", verb: "note", arguments: { text: "1" } });
  const stale = await requests.open();
  await controller.poll();
  requests.open = () => Promise.resolve(stale);
  await controller.poll();
  assert.deepEqual(done, ["1"]);
});

Deno.test("Controller executes again what a killed relay has begun", async () => {
  const { controller, requests, done } = controlling();
  requests.put({ id: "a", verb: "note", arguments: { text: "1" }, state: "running" });
  await controller.poll();
  assert.deepEqual(done, ["1 again"]);
  assert.deepEqual(requests.ends, ["a done"]);
});

for (
  const [what, request, state, message] of [
    ["an unknown verb", { verb: "jump" }, "refused", /Unknown verb: jump.*Verbs: cancel, long, note/],
    [
      "arguments that are not JSON",
      { verb: "note", fault: "the arguments are not JSON: {" },
      "refused",
      /not JSON/,
    ],
    [
      "an argument that the verb refuses",
      { verb: "note", arguments: { text: "bad" } },
      "refused",
      /bad text Another/,
    ],
    ["an error", { verb: "note", arguments: { text: "error" } }, "failed", /went wrong/],
    ["an expired request", { verb: "note", isExpired: true }, "expired", /No relay has begun it/],
    ["the name of an object's property", { verb: "constructor" }, "refused", /Unknown verb/],
  ] as const
) {
  Deno.test(`Controller ends ${what} as ${state}, and goes on`, async () => {
    const { controller, requests, done } = controlling();
    requests.put({ id: "a", ...request });
    requests.put({ id: "b", verb: "note", arguments: { text: "next" } });
    await controller.poll();
    assert.deepEqual(requests.ends, [`a ${state}`, "b done"]);
    assert.match(requests.rows.get("a")?.message ?? "", message);
    assert.equal(done.at(-1), "next");
  });
}

Deno.test("Controller executes a request without a stream, unless several streams exist", async () => {
  const [one, several] = [controlling(), controlling({ streams: 2 })];
  for (const { requests, controller } of [one, several]) {
    requests.put({ id: "a", verb: "note", stream: null });
    await controller.poll();
  }
  assert.equal(one.requests.rows.get("a")?.stream, "shop.*");
  assert.equal(several.requests.rows.get("a")?.state, "refused");
});

Deno.test("Controller begins later requests while a long one runs, and saves its progress", async () => {
  const { controller, requests, done, open } = controlling();
  requests.put({ id: "a", verb: "long" });
  requests.put({ id: "b", verb: "note", arguments: { text: "2" } });
  await controller.poll();
  await controller.poll();
  assert.deepEqual(done, ["long", "2"]);
  assert.deepEqual([requests.rows.get("a")?.state, requests.rows.get("a")?.progress], ["running", "half"]);
  open.resolve();
  await controller.settled("long");
  assert.deepEqual(requests.ends, ["b done", "a done"]);
});

Deno.test("Controller cancels a request that runs, and one that waits", async () => {
  const { controller, requests } = controlling();
  requests.put({ id: "a", verb: "long" });
  await controller.poll();
  requests.put({ id: "b", verb: "note" });
  requests.put({ id: "x", verb: "cancel", arguments: { id: "a" } });
  requests.put({ id: "y", verb: "cancel", arguments: { id: "b" } });
  requests.put({ id: "z", verb: "cancel", arguments: { id: "a" } });
  await controller.poll();
  assert.deepEqual(requests.states(), { a: "cancelled", b: "cancelled", x: "done", y: "done", z: "done" });
});

Deno.test("Controller leaves a request running when the relay ends", async () => {
  const { controller, requests, relay } = controlling();
  requests.put({ id: "a", verb: "long" });
  await controller.poll();
  relay.abort(new Error("told to stop"));
  await controller.settled("long");
  assert.equal(requests.rows.get("a")?.state, "running");
});

Deno.test("Controller has each worker execute a request to the whole stream, and ends it after the last one", async () => {
  const requests = requestsInMemory("shop.*");
  const [zero, one] = [0, 1].map((index) => {
    const stream = `shop.* (worker ${index}/2)`;
    const named = index === 0 ? ["shop.*", stream] : [stream];
    const own = {
      ...requests,
      open: async () => (await requests.open()).filter((each) => named.includes(each.stream ?? "")),
    };
    return controlling({ stream, requests: own });
  });
  requests.put({ id: "a", verb: "note", arguments: { text: "1" } });
  await zero?.controller.poll();
  await zero?.controller.poll();
  assert.deepEqual(requests.states(), { a: "running", "a 0/2": "done", "a 1/2": "asked" });
  await one?.controller.poll();
  assert.deepEqual(requests.states(), { a: "done", "a 0/2": "done", "a 1/2": "done" });
  assert.deepEqual([zero?.done, one?.done], [["1"], ["1"]]);
  assert.equal(requests.rows.get("a")?.message, "noted 1");
});

Deno.test("Controller cancels no request to another stream", async () => {
  const { controller, requests } = controlling();
  requests.put({ id: "other", verb: "long", stream: "crm.*", state: "running" });
  requests.open = () => Promise.resolve([...requests.rows.values()].filter(({ id }) => id === "x"));
  requests.put({ id: "x", verb: "cancel", arguments: { id: "other" } });
  await controller.poll();
  assert.deepEqual(requests.states(), { other: "running", x: "refused" });
});

Deno.test("Controller puts the first line of a message into log and events, as others may have documents", async () => {
  const { controller, requests, logged, events } = controlling();
  requests.put({ id: "a", verb: "note", arguments: { text: "one\nsecret" } });
  await controller.poll();
  assert.match(requests.rows.get("a")?.message ?? "", /secret/);
  assert.match(logged.join(), /noted one/);
  const messages = events.flatMap((each) => each.type === "requestChanged" ? [each.request.message] : []);
  assert.deepEqual(messages, [null, "noted one"]);
  assert.doesNotMatch(logged.join(), /secret/);
});

Deno.test("Controller has begun when what a killed relay has begun goes on", async () => {
  const { controller, requests, relay, done } = controlling();
  requests.put({ id: "a", verb: "long", state: "running" });
  const running = controller.run();
  await controller.begun;
  assert.deepEqual(done, ["long"]);
  relay.abort(new Error("told to stop"));
  await running;
});

Deno.test("Controller does not begin what somebody has ended or deleted by hand since it was read", async () => {
  const { controller, requests, done } = controlling();
  for (const id of ["a", "b", "c"]) requests.put({ id, verb: "note", arguments: { text: id } });
  const read = await requests.open();
  requests.open = () => Promise.resolve(read);
  requests.put({ id: "b", verb: "note", state: "cancelled" });
  requests.rows.delete("c");
  await controller.poll();
  assert.deepEqual(done, ["a"]);
  assert.deepEqual(requests.ends, ["a done"]);
});

Deno.test("Controller ends a request to several workers when one of them does not run until it expires", async () => {
  const { controller, requests } = controlling({ stream: "shop.* (worker 0/2)" });
  requests.put({ id: "a", verb: "note", state: "running" });
  requests.put({ id: "a 0/2", verb: "note", state: "done" });
  requests.put({ id: "a 1/2", verb: "note", isExpired: true });
  const [whole] = await requests.open();
  requests.open = () => Promise.resolve(whole ? [whole] : []);
  await controller.poll();
  assert.deepEqual(requests.ends, ["a expired"]);
});
