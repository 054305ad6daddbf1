/** Writes recorded events to `cdc_events`, in bulk and in the background: nothing waits for it. */
import type { EventLog, RecordedEvent } from "../../sink/metadata/event_log.ts";
import { type Clock, waitAtMost } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { type Emit, type Listener, on } from "./events.ts";

const MAX_WAITING = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const DAY_MS = 24 * 60 * 60_000;
const LAST_WRITE_MS = 1_000;

export class EventWriter implements AsyncDisposable {
  readonly #deps;
  #waiting: RecordedEvent[] = [];
  #log: EventLog | undefined;
  #writing: Promise<void> | undefined;
  #failures = 0;
  #pausedUntil = -Infinity;
  #expiresAt = -Infinity;

  constructor(deps: {
    readonly clock: Pick<Clock, "now" | "monotonic" | "wait">;
    readonly log: Logger;
    readonly emit: Emit;
  }) {
    this.#deps = deps;
  }

  // `verify` has written its events itself.
  readonly listen: Listener = on({
    recorded: ({ event }) => event.kind.startsWith("verify_") || this.#keep([...this.#waiting, event]),
  });

  /** From now on, events are written there. */
  open(log: EventLog): this {
    this.#log = log;
    return this;
  }

  /** Called once a second. */
  beat(): void {
    if (this.#deps.clock.monotonic() >= this.#pausedUntil) void this.#write();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const last = (async () => {
      await this.#writing;
      await this.#write();
    })();
    await waitAtMost(LAST_WRITE_MS, last, this.#deps.clock);
  }

  /** Writes what waits; never throws. */
  #write(): Promise<void> | undefined {
    const log = this.#log;
    if (!log || this.#writing || this.#waiting.length === 0) return this.#writing;
    const { clock } = this.#deps;
    const events = this.#waiting;
    this.#waiting = [];
    const write = async () => {
      await log.write(events);
      this.#failures = 0;
      if (clock.monotonic() < this.#expiresAt) return;
      this.#expiresAt = clock.monotonic() + DAY_MS;
      await log.expire(clock.now());
    };
    return this.#writing = write().catch((error) => this.#failed(events, error))
      .finally(() => this.#writing = undefined);
  }

  #failed(events: readonly RecordedEvent[], error: unknown): void {
    const { clock, log } = this.#deps;
    if (this.#failures === 0) {
      log.warn("Events cannot be written to cdc_events yet", { error: messageOf(error) });
    }
    this.#pausedUntil = clock.monotonic() + Math.min(LONGEST_PAUSE_MS, 1_000 * 2 ** this.#failures++);
    this.#keep([...events, ...this.#waiting]);
  }

  /** Keeps the newest events. */
  #keep(events: readonly RecordedEvent[]): void {
    this.#waiting = events.slice(-MAX_WAITING);
    const lost = events.length - this.#waiting.length;
    if (lost > 0) this.#deps.emit({ type: "recordsLost", events: lost });
  }
}
