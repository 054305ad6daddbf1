/** Streams of one process whose CrateDB refuses each connection: they fail at once. */
import assert from "node:assert/strict";
import { eventually } from "../../../dev/servers/eventually.ts";
import { relayConfig } from "../../../lib/config/relay_settings.ts";
import { UNTRACED } from "../../../lib/pipeline/status/stages.ts";
import { StatusTracker } from "../../../lib/pipeline/status/status_tracker.ts";
import { runStreams, sharedBy, type Stream } from "../../../lib/relay/streams.ts";
import { StreamSettings } from "../../../lib/relay/stream_settings.ts";
import { UserError } from "../../../lib/util/errors.ts";
import { QUIET } from "../../../lib/util/log.ts";
import { fakeClock } from "../../support/fake_clock.ts";

const settingsOf = (database: string) =>
  relayConfig({ flags: { "cratedb-url": "crate://localhost:1", database }, env: {} });

function setUp(onFailure: "restart" | "end", reworded?: (error: unknown) => unknown) {
  const clock = fakeClock();
  const stop = new AbortController();
  const logged: string[] = [];
  const ended: string[] = [];
  const streamOf = (name: string): Stream => ({
    name,
    settings: new StreamSettings({ settings: settingsOf(name) }),
    status: { tracker: new StatusTracker(clock) },
    log: { ...QUIET, error: (message) => logged.push(`${name}: ${message}`) },
    emit: ({ type }) => type === "ended" && ended.push(name),
    trace: UNTRACED,
    ...reworded && { reworded },
  });
  const streams = [streamOf("shop"), streamOf("bank")] as const;
  const running = runStreams(streams, {
    signal: stop.signal,
    log: QUIET,
    shares: settingsOf("shop"),
    onFailure,
    clock,
  });
  running.catch(() => {});
  return { clock, stop, streams, running, logged, ended };
}

Deno.test("runStreams() starts failed streams again after a pause, with the settings of then", async () => {
  const { clock, stop, streams: [shop], running, logged, ended } = setUp("restart");
  const again = "The stream failed, and is started again";
  await eventually(() => assert.equal(clock.waits, 2));
  assert.deepEqual(logged.toSorted(), [`bank: ${again}`, `shop: ${again}`]);
  const { phase, lastError } = shop.status.tracker.current;
  assert.equal(phase, "failed");
  assert.match(lastError ?? "", /localhost:1.*ECONNREFUSED/);
  shop.settings.replace({ settings: settingsOf("other") });
  await eventually(() => assert.equal(ended.length, 3));
  assert.deepEqual(ended.toSorted(), ["bank", "shop", "shop"]);
  await eventually(() => assert.equal(clock.waits, 2));
  clock.pass(1_000);
  await eventually(() => assert.equal(ended.length, 4));
  assert.deepEqual(ended.toSorted(), ["bank", "bank", "shop", "shop"]);
  await eventually(() => assert.equal(clock.waits, 2));
  stop.abort(new Error("stopped"));
  await running;
});

Deno.test("runStreams() ends all streams with the first error if no stream may be started again", async () => {
  const { running, logged } = setUp("end");
  await assert.rejects(running, { name: "SinkError", message: /ECONNREFUSED/ });
  assert.equal(logged[0], "shop: The stream failed, which ends the process");
});

Deno.test("runStreams() shows the error of a stream as its settings word it", async () => {
  const { running, streams: [shop] } = setUp("end", (cause) => new UserError("in its words", { cause }));
  await assert.rejects(running, { name: "UserError", message: "in its words" });
  assert.equal(shop.status.tracker.current.lastError, "in its words");
});

Deno.test("sharedBy() divides what each stream has in memory, and not what they share", () => {
  const alone = settingsOf("shop");
  const { replyBytes, batchBytes, inFlightBytes, heapBytes } = sharedBy(4, alone);
  assert.deepEqual([replyBytes * 4, batchBytes * 4, inFlightBytes * 4, heapBytes], [
    alone.replyBytes,
    alone.batchBytes,
    alone.inFlightBytes,
    alone.heapBytes,
  ]);
});
