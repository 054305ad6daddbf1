import assert from "node:assert/strict";
import { recentEvents } from "../../../lib/monitor/recent_events.ts";
import { type RecordedEvent, recordedEvent } from "../../../lib/sink/metadata/event_log.ts";

const eventAt = (at: number): RecordedEvent =>
  recordedEvent({
    at,
    stream: "shop.* -> doc",
    kind: "stopped",
    message: "The relay has stopped",
    details: {},
  });

Deno.test("recentEvents() has the last 100, newest first", () => {
  const recent = recentEvents();
  recent.listen({ type: "ready" });
  assert.deepEqual(recent.report(), []);
  const all = Array.from({ length: 120 }, (_, at) => eventAt(at + 1));
  for (const event of all) recent.listen({ type: "recorded", event });
  const events = recent.report();
  assert.equal(events.length, 100);
  assert.equal(events[0], all.at(-1));
  assert.equal(events.at(-1)?.at, "1970-01-01T00:00:00.021Z");
});
