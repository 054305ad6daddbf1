import assert from "node:assert/strict";
import { SinkError, verify } from "../../../lib/mod.ts";

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
  // Where nothing listens.
  const options = { mongodbUrl: "mongodb://127.0.0.1:1/", cratedbUrl: "crate://127.0.0.1:1" };
  await assert.rejects(verify(options, { signal }), SinkError);
  assert.equal(listening.size, 0);
});
