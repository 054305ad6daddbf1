/** Derives events for operators from those of a relay: for `cdc_events`, hooks and the page. */
import type { RequestState } from "../../sink/metadata/control_requests.ts";
import {
  type EventKind,
  type EventLog,
  type RecordedEvent,
  recordedEvent,
} from "../../sink/metadata/event_log.ts";
import { HEADROOM_PART } from "../../sink/metadata/status_view.ts";
import { type Clock, waitAtMost } from "../../util/clock.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { durationText, firstLine } from "../../util/text.ts";
import { describe } from "./describe_error.ts";
import { type Emit, type Listener, on } from "./events.ts";
import { behindText, oplogText } from "./health.ts";
import type { StatusSource } from "./relay_status.ts";
import { FRESH_MS } from "./stream_lag.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";

const HIGH_LAG_MS = 60_000;
/** What is counted is recorded so often at most. */
const COUNT_MS = 60_000;

const COUNTED = {
  dead_letters: "Dead letters",
  columns_added: "New columns",
  columns_widened: "Widened columns",
};

/** Of a request that has got into a state. */
const REQUESTS: Partial<Readonly<Record<RequestState, readonly [kind: EventKind, text: string]>>> = {
  running: ["request_started", "has begun"],
  done: ["request_done", "is done"],
  cancelled: ["request_done", "was cancelled"],
  refused: ["request_failed", "was refused"],
  failed: ["request_failed", "has failed"],
  expired: ["request_failed", "has expired"],
};

/**
 * A listener that emits `recorded`.
 *
 * @param stream its name until the lease is taken
 * @example
 * IN: advanced({lag: 90_000}), advanced({lag: 80_000}), advanced({lag: 15})
 * OUT: recorded({kind: "lag_high", message: "The tables are 90 s behind MongoDB", …}), recorded({kind: "lag_normal", …})
 */
export function eventRecorder({ stream, status, clock, emit }: {
  readonly stream: string;
  /** It has heard each event before. */
  readonly status: StatusSource;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly emit: Emit;
}): Listener {
  let name = stream;
  /** The process that had the lease while this one was the standby. */
  let before: string | null | undefined;
  let inSnapshot = false;
  let isLate = false;
  let isOplogLow = false;
  const failed = new Set<string>();
  const running = new Set<string>();
  const counts = new Map<string, { kind: keyof typeof COUNTED; collection: string; count: number }>();
  let countsDue = -Infinity;

  const record = (kind: EventKind, message: string, details: RecordedEvent["details"] = {}) =>
    emit({
      type: "recorded",
      event: recordedEvent({ at: clock.now(), stream: name, kind, message, details }),
    });
  const count = (kind: keyof typeof COUNTED, namespace: Namespace, more: number) => {
    const collection = namespaceText(namespace);
    const key = `${kind} ${collection}`;
    if (more > 0) counts.set(key, { kind, collection, count: more + (counts.get(key)?.count ?? 0) });
  };
  const recordCounts = () => {
    for (const { kind, ...counted } of counts.values()) {
      record(kind, `${COUNTED[kind]} of ${counted.collection}: ${counted.count}`, counted);
    }
    if (counts.size > 0) countsDue = clock.monotonic() + COUNT_MS;
    counts.clear();
  };
  const checkLag = (lag: number | null) => {
    if (lag === null || (isLate ? lag > FRESH_MS : lag <= HIGH_LAG_MS)) return;
    isLate = !isLate;
    const details = { lag_ms: lag };
    if (isLate) record("lag_high", behindText(lag), details);
    else record("lag_normal", "The tables are no longer behind MongoDB", details);
  };

  return on({
    standingBy: (event) => {
      name = event.stream;
      before = event.owner;
    },
    leaseTaken: ({ stream, owner }) => {
      name = stream;
      if (before === undefined) record("started", "The relay has started", { owner });
      else record("takeover", "This process has taken over from another one", { owner, before });
      before = undefined;
    },
    snapshotProgress: ({ documents, total }) => {
      if (inSnapshot) return;
      inSnapshot = true;
      const text = documents > 0 ? `continues: ${documents} of` : "has begun:";
      record("snapshot_started", `A snapshot ${text} about ${total} documents`, { documents, total });
    },
    snapshotDone: ({ documents, seconds }) => {
      inSnapshot = false;
      const text = `The snapshot of ${documents} documents is done after ${durationText(seconds * 1_000)}`;
      record("snapshot_done", text, { documents, seconds });
    },
    ready: () => inSnapshot = false,
    historyLost: () => {
      inSnapshot = false;
      record("history_lost", "MongoDB has deleted the changes after the position: a new snapshot is needed");
    },
    tableWritten: ({ namespace, deadLetters }) => count("dead_letters", namespace, deadLetters),
    columnsAdded: ({ namespace, columns }) => count("columns_added", namespace, columns),
    columnsWidened: ({ namespace, columns }) => count("columns_widened", namespace, columns),
    collectionChanged: ({ namespace, table, state }) => {
      const collection = namespaceText(namespace);
      if (state?.name === "failed") {
        if (failed.has(collection)) return;
        failed.add(collection);
        const { reason, hint } = state;
        record("collection_failed", `${collection} has failed: ${reason}`, { collection, table, hint });
      } else if (failed.delete(collection) && state) {
        record("collection_recovered", `${collection} is usable again`, { collection, table });
      }
    },
    batchStarted: ({ lag }) => isLate || checkLag(lag),
    advanced: ({ lag }) => {
      checkLag(lag);
      if (clock.monotonic() >= countsDue) recordCounts();
    },
    oplogSeen: ({ window: reached, fullWindow: window = reached }) => {
      const left = status.current.oplogHeadroom;
      const isLow = left !== null && left < window / HEADROOM_PART;
      if (isLow && !isOplogLow) record("oplog_low", oplogText(left), { left_ms: left, window_ms: window });
      isOplogLow = isLow;
    },
    requestChanged: ({ request: { id, verb, state, askedBy, message } }) => {
      const [kind, text] = REQUESTS[state] ?? [];
      if (!kind || state === "running" && running.has(id)) return;
      if (state === "running") running.add(id);
      else running.delete(id);
      const who = askedBy === null ? "" : ` of ${askedBy}`;
      const first = firstLine(message ?? "");
      const what = `The request ${verb}${who} ${text}${first === "" ? "" : `: ${first}`}`;
      record(kind, what, { id, verb, state, asked_by: askedBy });
    },
    ended: ({ error }) => {
      recordCounts();
      if (error === undefined) return record("stopped", "The relay has stopped");
      const { message, hint } = describe(error);
      record("failed", `The relay has failed: ${message}`, { hint });
    },
  });
}

const MAX_WAITING = 1_000;
const DAY_MS = 24 * 60 * 60_000;
const LAST_WRITE_MS = 1_000;

/** Writes recorded events to `cdc_events`, in bulk and in the background: nothing waits for it. */
export class EventWriter implements AsyncDisposable {
  /** The table; until it is set, events wait. */
  log: Pick<EventLog, "write" | "expire"> | undefined;
  #waiting: readonly RecordedEvent[] = [];
  #writing: Promise<void> | undefined;
  #hasWarned = false;
  #expiresAt = -Infinity;

  constructor(
    private readonly deps: {
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
