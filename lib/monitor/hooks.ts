/** Reports recorded events to hooks. Nothing waits for them, and their failures are only logged and counted. */
import { on, type RelayEvent } from "../pipeline/status/events.ts";
import type { RecordedEvent } from "../sink/metadata/event_log.ts";
import { type Clock, SYSTEM_CLOCK, waitAtMost } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { checkMayRun, type Hook, hookName, kindsOf, type Message, send as sendOnce } from "./hook.ts";

/** The shortest time between two messages of a kind. */
const INTERVAL_MS = 15 * 60_000;
const TRIES = 3;
const TRY_LIMIT_MS = 5_000;
const PAUSE_MS = 2_000;
/** For the messages that are being sent when the process ends. */
const LAST_MS = 3_000;

interface HooksOptions {
  readonly log: Logger;
  /** Called with each message that could not be sent. */
  readonly onFailure: (event: Extract<RelayEvent, { type: "hookFailed" }>) => void;
  readonly clock?: Pick<Clock, "wait">;
  readonly send?: typeof sendOnce;
}

/**
 * Reports the first event of a kind at once, and the newest of those that follow 15 minutes later.
 * @throws UsageError if Deno may not run a program
 */
export function openHooks(hooks: readonly Hook[], options: HooksOptions) {
  const { log, onFailure, clock = SYSTEM_CLOCK, send = sendOnce } = options;
  for (const { exec: [program] = [] } of hooks) if (program !== undefined) checkMayRun(program);
  const closing = new AbortController();
  const { signal } = closing;
  const sending = new Set<Promise<void>>();

  const deliver = async (hook: Hook, message: Message): Promise<void> => {
    for (let tries = 1; !signal.aborted; tries++) {
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(TRY_LIMIT_MS)]);
        return await send(hook, message, limit);
      } catch (cause) {
        const failure = { hook: hookName(hook), error: messageOf(cause) };
        if (tries < TRIES) await clock.wait(PAUSE_MS, { signal }).catch(() => {});
        else {
          log.warn("An event could not be reported to a hook", failure);
          return onFailure({ type: "hookFailed", ...failure });
        }
      }
    }
  };
  const listenerOf = (hook: Hook) => {
    const kinds = kindsOf(hook);
    /** Those of the last 15 minutes, with the newest event that waits, and how many it stands for. */
    const held = new Map<string, Message | undefined>();
    const report = (message: Message) => {
      held.set(message.kind, undefined);
      const delivery = deliver(hook, message).finally(() => sending.delete(delivery));
      sending.add(delivery);
      clock.wait(INTERVAL_MS, { signal }).then(() => {
        const next = held.get(message.kind);
        held.delete(message.kind);
        if (next) report(next);
      }, () => {}); // The process ends.
    };
    return (event: RecordedEvent) => {
      const { kind } = event;
      if (!kinds.includes(kind)) return;
      if (held.has(kind)) held.set(kind, { ...event, suppressed: (held.get(kind)?.suppressed ?? -1) + 1 });
      else report({ ...event, suppressed: 0 });
    };
  };
  const listeners = hooks.map(listenerOf);
  return {
    listen: on({ recorded: ({ event }) => listeners.forEach((each) => each(event)) }),
    [Symbol.asyncDispose]: async () => {
      await waitAtMost(LAST_MS, Promise.all(sending), clock);
      closing.abort();
    },
  };
}
