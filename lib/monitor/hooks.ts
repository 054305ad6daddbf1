/** Tells hooks of recorded events. Nothing waits for them, and their failures are only logged and counted. */
import { type Listener, on, type RelayEvent } from "../pipeline/status/events.ts";
import { eventFields, type RecordedEvent } from "../sink/metadata/event_log.ts";
import { type Clock, SYSTEM_CLOCK, waitAtMost } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { type Hook, hookName, kindsOf, type Message, send } from "./hook.ts";

/** The shortest time between two messages of a stream and kind. */
const INTERVAL_MS = 15 * 60_000;
const TRIES = 3;
const TRY_LIMIT_MS = 5_000;
const PAUSE_MS = 2_000;
/** Messages that wait for a hook. */
const MAX_WAITING = 100;
/** For the messages that wait when the process ends. */
const LAST_MS = 3_000;

interface HooksOptions {
  readonly log: Logger;
  /** Called with each message that could not be sent. */
  readonly onFailure: (event: Extract<RelayEvent, { type: "hookFailed" }>) => void;
  readonly clock?: Pick<Clock, "monotonic" | "wait">;
  readonly send?: typeof send;
}

/** Sends until it is disposed of. */
export function openHooks(hooks: readonly Hook[], options: HooksOptions) {
  const all = hooks.map((hook) => new HookQueue(hook, options));
  return {
    listen: on({ recorded: ({ event }) => all.forEach((each) => each.tell(event)) }) as Listener,
    [Symbol.asyncDispose]: async () => void await Promise.all(all.map((each) => each.close())),
  };
}

class HookQueue {
  readonly #kinds: readonly string[];
  readonly #clock: Pick<Clock, "monotonic" | "wait">;
  readonly #closing = new AbortController();
  /** By stream and kind: when it may be told again, and what was not told until then. */
  readonly #told = new Map<string, { readonly until: number; held?: RecordedEvent; suppressed: number }>();
  readonly #waiting: Message[] = [];
  #sending: Promise<void> | undefined;

  constructor(readonly hook: Hook, readonly options: HooksOptions) {
    this.#kinds = kindsOf(hook);
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** Tells the newest of what happens within the interval at its end. */
  tell(event: RecordedEvent): void {
    if (!this.#kinds.includes(event.kind)) return;
    const key = `${event.kind} ${event.stream}`;
    const told = this.#told.get(key);
    const now = this.#clock.monotonic();
    if (!told || now >= told.until) return this.#enqueue(key, event, 0);
    told.suppressed++;
    if (!told.held) void this.#tellLater(key, told.until - now);
    told.held = event;
  }

  async close(): Promise<void> {
    await waitAtMost(LAST_MS, this.#sending ?? Promise.resolve(), this.#clock);
    this.#closing.abort();
  }

  async #tellLater(key: string, milliseconds: number): Promise<void> {
    await this.#clock.wait(milliseconds, this.#closing).catch(() => {});
    const { held, suppressed = 0 } = this.#told.get(key) ?? {};
    if (held && !this.#closing.signal.aborted) this.#enqueue(key, held, suppressed - 1);
  }

  #enqueue(key: string, event: RecordedEvent, suppressed: number): void {
    this.#told.set(key, { until: this.#clock.monotonic() + INTERVAL_MS, suppressed: 0 });
    this.#waiting.push({ ...eventFields(event), suppressed });
    if (this.#waiting.length > MAX_WAITING) {
      this.#waiting.shift();
      this.#failed("too many messages wait for it");
    }
    this.#sending ??= this.#sendAll().finally(() => this.#sending = undefined);
  }

  async #sendAll(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) await this.#send(next);
  }

  async #send(message: Message): Promise<void> {
    const { signal } = this.#closing;
    for (let tries = 1; !signal.aborted; tries++) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(TRY_LIMIT_MS)]);
      try {
        return await (this.options.send ?? send)(this.hook, message, limit);
      } catch (error) {
        if (tries === TRIES) return this.#failed(messageOf(error));
      }
      await this.#clock.wait(PAUSE_MS, { signal }).catch(() => {});
    }
  }

  #failed(error: string): void {
    const hook = hookName(this.hook);
    this.options.log.warn("A hook was not told of an event", { hook, error });
    this.options.onFailure({ type: "hookFailed", hook, error });
  }
}
