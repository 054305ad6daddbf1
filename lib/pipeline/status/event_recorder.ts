/** Derives from the events of a relay those that operators want to know: rows of `cdc_events`, hooks and the page. */
import type { RequestState } from "../../sink/metadata/control_requests.ts";
import { type EventKind, type RecordedEvent, recordedEvent } from "../../sink/metadata/event_log.ts";
import { HEADROOM_PART } from "../../sink/metadata/status_view.ts";
import type { Clock } from "../../util/clock.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { durationText } from "../../util/text.ts";
import { describe } from "./describe_error.ts";
import { type Emit, type Listener, on } from "./events.ts";
import { FRESH_MS } from "./stream_lag.ts";

const HIGH_LAG_MS = 60_000;
const TALLY_MS = 60_000;

const TALLIED = {
  dead_letters: "dead letter",
  columns_added: "new column",
  columns_widened: "widened column",
};
type Tallied = keyof typeof TALLIED;

/** Of a request that has got into a state. */
const REQUESTS: Readonly<
  Record<RequestState, readonly [kind: EventKind, text: string] | undefined>
> = {
  asked: undefined,
  running: ["request_started", "has begun"],
  done: ["request_done", "is done"],
  cancelled: ["request_done", "was cancelled"],
  refused: ["request_failed", "was refused"],
  failed: ["request_failed", "has failed"],
  expired: ["request_failed", "has expired"],
};

/**
 * A listener that emits `recorded`. Its state follows from the events alone.
 *
 * @param stream its name until the lease is taken
 * @example
 * IN: advanced({lag: 90_000}), advanced({lag: 80_000}), advanced({lag: 15})
 * OUT: recorded({kind: "lag_high", message: "The tables are 90 s behind the collections", …}), recorded({kind: "lag_normal", …})
 */
export function eventRecorder({ stream, clock, emit }: {
  readonly stream: string;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly emit: Emit;
}): Listener {
  let name = stream;
  /** The process that had the lease while this one was the standby. */
  let before: string | null | undefined;
  let inSnapshot = false;
  let isLate = false;
  let isOplogLow = false;
  let clusterTime: number | null = null;
  const failed = new Set<string>();
  const away = new Set<string>();
  /** Requests that run. */
  const running = new Set<string>();

  const record = (kind: EventKind, message: string, details: RecordedEvent["details"] = {}) =>
    emit({
      type: "recorded",
      event: recordedEvent({ at: clock.now(), stream: name, kind, message, details }),
    });
  const tallies = new Tallies(clock, (kind, collection, count) => {
    const text = `${collection} has ${count} ${TALLIED[kind]}${count === 1 ? "" : "s"}`;
    record(kind, text, { collection, count });
  });
  const checkLag = (lag: number | null) => {
    if (lag === null || (isLate ? lag > FRESH_MS : lag <= HIGH_LAG_MS)) return;
    isLate = !isLate;
    const details = { lag_ms: lag };
    if (isLate) record("lag_high", `The tables are ${durationText(lag)} behind the collections`, details);
    else record("lag_normal", "The tables are no longer behind the collections", details);
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
    tableWritten: ({ namespace, deadLetters }) => tallies.add("dead_letters", namespace, deadLetters),
    columnsAdded: ({ namespace, columns }) => tallies.add("columns_added", namespace, columns),
    columnsWidened: ({ namespace, columns }) => tallies.add("columns_widened", namespace, columns),
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
    advanced: (event) => {
      clusterTime = event.clusterTime ?? clusterTime;
      checkLag(event.lag);
      tallies.flush();
    },
    oplogSeen: ({ oldest, window, isGrowing }) => {
      const left = isGrowing || clusterTime === null ? Infinity : Math.max(0, clusterTime - oldest);
      const isLow = left < window / HEADROOM_PART;
      if (isLow && !isOplogLow) {
        const text = `The oplog passes the position in ${
          durationText(left)
        }: after that, a new snapshot is needed`;
        record("oplog_low", text, { left_ms: left, window_ms: window });
      }
      isOplogLow = isLow;
    },
    // A minute after `outageBegan`: most outages are over by then.
    outage: ({ system, error, lasted }) => {
      if (away.has(system)) return;
      away.add(system);
      const { message, hint } = describe(error);
      const text = `${system} has failed for ${durationText(lasted)}: ${message}`;
      record("outage", text, { system, hint });
    },
    recovered: ({ system, lasted }) => {
      if (!away.delete(system)) return;
      record("outage_over", `${system} answers again after ${durationText(lasted)}`, { system });
    },
    requestChanged: ({ request: { id, verb, state, askedBy, message } }) => {
      const [kind, text] = REQUESTS[state] ?? [];
      if (!kind || state === "running" && running.has(id)) return;
      if (state === "running") running.add(id);
      else running.delete(id);
      const who = askedBy === null ? "" : ` of ${askedBy}`;
      const what = `The request ${verb}${who} ${text}${message === null ? "" : `: ${message}`}`;
      record(kind, what, { id, verb, state, asked_by: askedBy });
    },
    ended: ({ error }) => {
      tallies.flush(Infinity);
      if (error === undefined) return record("stopped", "The relay has stopped");
      const { message, hint } = describe(error);
      record("failed", `The relay has failed: ${message}`, { hint });
    },
  });
}

/** Counts for each kind and collection. The first count is recorded at once, later ones together once a minute. */
class Tallies {
  readonly #all = new Map<string, { kind: Tallied; collection: string; count: number; next: number }>();

  constructor(
    readonly clock: Pick<Clock, "monotonic">,
    readonly record: (kind: Tallied, collection: string, count: number) => void,
  ) {}

  add(kind: Tallied, namespace: Namespace, count: number): void {
    if (count === 0) return;
    const collection = namespaceText(namespace);
    const key = `${kind} ${collection}`;
    const each = this.#all.get(key) ?? { kind, collection, count: 0, next: -Infinity };
    each.count += count;
    this.#all.set(key, each);
    this.flush();
  }

  /** Records what is due by a time of the monotonic clock. @default {now} */
  flush(until: number = this.clock.monotonic()): void {
    for (const [key, each] of this.#all) {
      if (each.next > until) continue;
      if (each.count > 0) this.record(each.kind, each.collection, each.count);
      else this.#all.delete(key);
      each.count = 0;
      each.next = this.clock.monotonic() + TALLY_MS;
    }
  }
}
