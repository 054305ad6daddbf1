import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { emitter, type Handlers, on } from "../../../../lib/pipeline/status/events.ts";

/** Three listeners of which the second one fails, and what the others receive. */
function withFailing(failing: Handlers) {
  const told: string[] = [];
  const listener = (name: string) =>
    on({
      ready: () => void told.push(`${name}: ready`),
      positionSaved: () => void told.push(`${name}: saved`),
      listenerFailed: ({ error }) => void told.push(`${name}: ${error}`),
    });
  return { told, emit: emitter(listener("first"), on(failing), listener("last")) };
}

const refuse = () => {
  throw new Error("no room");
};

Deno.test("emitter() emits to the others if one throws, and reports it once", () => {
  const { told, emit } = withFailing({ ready: refuse, positionSaved: refuse });
  emit({ type: "ready" });
  emit({ type: "positionSaved" });
  emit({ type: "ready" });
  assert.deepEqual(told, [
    "first: ready",
    "first: Error: no room",
    "last: Error: no room",
    "last: ready",
    "first: saved",
    "last: saved",
    "first: ready",
    "last: ready",
  ]);
});

Deno.test("emitter() takes a rejected promise as a failure", async () => {
  const { told, emit } = withFailing({ ready: () => Promise.reject(new Error("no room")) as never });
  emit({ type: "ready" });
  await setImmediate();
  assert.deepEqual(told.filter((line) => line.endsWith("no room")).length, 2);
});

Deno.test("emitter() goes on if the report fails as well", () => {
  const { told, emit } = withFailing({ ready: refuse, listenerFailed: refuse });
  emit({ type: "ready" });
  assert.deepEqual(told.filter((line) => line.endsWith("ready")).length, 2);
});

Deno.test("emitter() as a listener reports a failure to the whole", () => {
  const told: unknown[] = [];
  const inner = emitter(on({ listenerFailed: ({ error }) => void told.push(String(error)) }));
  emitter(on({ ready: refuse }), inner)({ type: "ready" });
  assert.deepEqual(told, ["Error: no room"]);
});
