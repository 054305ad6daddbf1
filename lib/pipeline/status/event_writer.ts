/** Writes recorded events to `cdc_events`, in bulk and in the background: nothing waits for it. */
import type { EventLog, RecordedEvent } from "../../sink/metadata/event_log.ts";
import { type Clock, waitAtMost } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { type Emit, type Listener, on } from "./events.ts";

const MAX_WAITING = 1_000;
const DAY_MS = 24 * 60 * 60_000;
const LAST_WRITE_MS = 1_000;

export class EventWriter implements AsyncDisposable {
  /** The table; until it is set, events wait. */
  log: Pick<EventLog, "write" | "expire"> | undefined;
  #waiting: readonly RecordedEvent[] = [];
  #writing: Promise<void> | undefined;
  #hasWarned = false;
  #expiresAt = -Infinity;

  constructor(
    readonly deps: {
      readonly clock: Pick<Clock, "now" | "monotonic" | "wait">;
      readonly log: Logger;
      readonly emit: Emit;
    },
  ) {}

  // `verify` has written its events itself.
  readonly listen: Listener = on({
    recorded: ({ event }) => event.kind.startsWith("verify_") || this.#keep([...this.#waiting, event]),
  });

  /** Called once a second. Writes what waits, unless it is being written. */
  beat(): void {
    if (this.log && this.#waiting.length > 0) this.#writing ??= this.#write(this.log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const last = Promise.resolve(this.#writing).then(() => this.beat()).then(() => this.#writing);
    await waitAtMost(LAST_WRITE_MS, last, this.deps.clock);
  }

  async #write(to: Pick<EventLog, "write" | "expire">): Promise<void> {
    const { clock, log } = this.deps;
    const events = this.#waiting;
    this.#waiting = [];
    try {
      await to.write(events);
      this.#hasWarned = false;
    } catch (error) {
      if (!this.#hasWarned) {
        log.warn("Events cannot be written to cdc_events yet", { error: messageOf(error) });
      }
      this.#hasWarned = true;
      this.#keep([...events, ...this.#waiting]);
    }
    if (!this.#hasWarned && clock.monotonic() >= this.#expiresAt) {
      this.#expiresAt = clock.monotonic() + DAY_MS;
      await to.expire(clock.now()).catch(() => {}); // Tried again tomorrow.
    }
    this.#writing = undefined;
  }

  /** Keeps the newest events. */
  #keep(events: readonly RecordedEvent[]): void {
    this.#waiting = events.slice(-MAX_WAITING);
    const lost = events.length - this.#waiting.length;
    if (lost > 0) this.deps.emit({ type: "recordsLost", events: lost });
  }
}
