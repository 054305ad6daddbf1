import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { observers, type RelayObserver } from "../../../../lib/pipeline/status/observer.ts";

/** Observers of which the middle one fails, and what the others are told. */
function withFailing(failing: Partial<RelayObserver>) {
  const told: string[] = [];
  const listener = (name: string): Partial<RelayObserver> => ({
    ready: () => void told.push(`${name}: ready`),
    positionSaved: () => void told.push(`${name}: saved`),
    observerFailed: ({ error }) => void told.push(`${name}: ${error}`),
  });
  return { told, observer: observers(listener("first"), failing, listener("last")) };
}

const refuse = () => {
  throw new Error("no room");
};

Deno.test("observers() emits to the others if one throws, and reports it once", () => {
  const { told, observer } = withFailing({ ready: refuse, positionSaved: refuse });
  observer.ready();
  observer.positionSaved();
  observer.ready();
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

Deno.test("observers() takes a rejected promise as a failure", async () => {
  const { told, observer } = withFailing({ ready: () => Promise.reject(new Error("no room")) as never });
  observer.ready();
  await setImmediate();
  assert.deepEqual(told.filter((line) => line.endsWith("no room")).length, 2);
});

Deno.test("observers() goes on if the report fails as well", () => {
  const { told, observer } = withFailing({ ready: refuse, observerFailed: refuse });
  observer.ready();
  assert.deepEqual(told.filter((line) => line.endsWith("ready")).length, 2);
});

Deno.test("observers() within observers report a failure to the whole", () => {
  const told: unknown[] = [];
  const inner = observers({ observerFailed: ({ error }) => void told.push(String(error)) });
  observers({ ready: refuse }, inner).ready();
  assert.deepEqual(told, ["Error: no room"]);
});
