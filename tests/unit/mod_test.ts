import assert from "node:assert/strict";
import {
  describe,
  type RelayOptions,
  SinkError,
  startRelay,
  status,
  UsageError,
  verify,
} from "../../lib/mod.ts";

/** No server listens at these URLs. */
const NOWHERE: RelayOptions = { mongodbUrl: "mongodb://127.0.0.1:1/", cratedbUrl: "crate://127.0.0.1:1" };

Deno.test("startRelay() names the wrong option as in the library", () => {
  assert.throws(() => startRelay({ ...NOWHERE, snapshotLanes: 0 }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /^snapshotLanes is not a whole number/);
    return true;
  });
});

Deno.test("startRelay() reports a failure by `ready`, `done` and the status", async () => {
  const ended: unknown[] = [];
  const relay = startRelay(NOWHERE, {
    onEvent: (event) => event.type === "ended" && ended.push(event.error),
  });
  assert.equal(relay.status.phase, "starting");
  const error = await relay.ready.then(() => undefined, (error) => error);
  assert.ok(error instanceof SinkError);
  assert.match(describe(error).message, /^CrateDB cannot be reached/);
  await assert.rejects(relay.done, error);
  assert.deepEqual([relay.status.phase, ended], ["failed", [error]]);
  await relay.stop();
});

Deno.test("an error before `ready` need not be awaited twice", async () => {
  const relay = startRelay(NOWHERE);
  await assert.rejects(relay.ready, SinkError);
});

Deno.test("startRelay() has metrics from the start", async () => {
  await using relay = startRelay(NOWHERE);
  assert.match(await relay.metrics(), /^cdc_relay_build_info\{.*version="\d/m);
  relay.done.catch(() => {});
});

Deno.test("startRelay() continues if onEvent and log throw", async () => {
  const refuse = () => {
    throw new Error("refused");
  };
  const log = { debug: refuse, info: refuse, warn: refuse, error: refuse };
  const relay = startRelay(NOWHERE, { log, onEvent: refuse });
  await assert.rejects(relay.done, SinkError);
});

Deno.test("verify() leaves no listener on the signal of its caller", async () => {
  const { signal } = new AbortController();
  const listening = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (type: string, listener: EventListenerOrEventListenerObject) => {
    listening.add(listener);
    addEventListener.call(signal, type, listener);
  };
  signal.removeEventListener = (type: string, listener: EventListenerOrEventListenerObject) => {
    listening.delete(listener);
    removeEventListener.call(signal, type, listener);
  };
  await assert.rejects(verify(NOWHERE, { signal }), SinkError);
  assert.equal(listening.size, 0);
});

Deno.test("describe() names the options of the library", () => {
  const { message, hint = "" } = describe(new SinkError("refused", { kind: "login", code: "28P01" }));
  assert.match(message, /^CrateDB refused the login/);
  assert.match(hint, /cratedbUrl/);
  assert.doesNotMatch(hint, /--cratedb|CRATEDB_/);
});

Deno.test("status() rejects with the names of the library", async () => {
  await assert.rejects(status({ cratedbUrl: "mysql://localhost" }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /^cratedbUrl: The CrateDB URL must start with/);
    return true;
  });
});

Deno.test("the public types are explicit, so that the package has declarations", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", "--no-check", "--quiet"],
    cwd: new URL("../..", import.meta.url),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});
