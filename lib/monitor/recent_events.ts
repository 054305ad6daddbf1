/** The newest events of a process, for `/events` and the page. */
import { on } from "../pipeline/status/events.ts";
import type { RecordedEvent } from "../sink/metadata/event_log.ts";

const MAX_EVENTS = 100;

/** Keeps the last 100 of all streams together, newest first. */
export function recentEvents() {
  let events: readonly RecordedEvent[] = [];
  return {
    listen: on({ recorded: ({ event }) => events = [event, ...events].slice(0, MAX_EVENTS) }),
    report: () => events,
  };
}
