import assert from "node:assert/strict";
import { describe, type RelayOptions, SinkError, startRelay, UsageError } from "../../../lib/mod.ts";

/** Where nothing listens. */
const NOWHERE: RelayOptions = { mongodbUrl: "mongodb://127.0.0.1:1/", cratedbUrl: "crate://127.0.0.1:1" };

Deno.test("startRelay() says which option is wrong, in the words of the library", () => {
  assert.throws(() => startRelay({ ...NOWHERE, snapshotLanes: 0 }), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, /^snapshotLanes is not a whole number/);
    return true;
  });
});

Deno.test("startRelay() tells by `ready`, `done` and the status why it has failed", async () => {
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

Deno.test("an error of startRelay() that came before `ready` need not be awaited twice", async () => {
  const relay = startRelay(NOWHERE);
  await assert.rejects(relay.ready, SinkError);
});

Deno.test("startRelay() has metrics from the start", async () => {
  await using relay = startRelay(NOWHERE);
  assert.match(await relay.metrics(), /^cdc_relay_build_info\{.*version="\d/m);
  relay.done.catch(() => {});
});

Deno.test("startRelay() goes on if onEvent and log throw", async () => {
  const refuse = () => {
    throw new Error("refused");
  };
  const log = { debug: refuse, info: refuse, warn: refuse, error: refuse };
  const relay = startRelay(NOWHERE, { log, onEvent: refuse });
  await assert.rejects(relay.done, SinkError);
});
