/** The newest events of a process, for `/events` and the page. */
import { on } from "../pipeline/status/events.ts";
import { eventFields, type RecordedEvent } from "../sink/metadata/event_log.ts";

const MAX_EVENTS = 100;

/** Keeps the last 100 of all streams together, newest first. */
export function recentEvents() {
  const events: RecordedEvent[] = [];
  return {
    listen: on({
      recorded: ({ event }) => {
        events.unshift(event);
        events.length = Math.min(events.length, MAX_EVENTS);
      },
    }),
    report: () => events.map(eventFields),
  };
}
