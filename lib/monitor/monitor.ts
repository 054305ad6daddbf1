/** `--listen`: metrics, health and status of a relay over HTTP. */
import { type FollowedStream, on, type RelayEvent } from "../pipeline/status/events.ts";
import type { RelayStatus } from "../pipeline/status/relay_status.ts";
import type { RecordedEvent } from "../sink/metadata/event_log.ts";
import type { CollectionStatus } from "../sink/metadata/status_view.ts";
import { type Clock, SYSTEM_CLOCK, waitAtMost } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { visible } from "../util/text.ts";
import { type Control, controlRoute } from "./control_route.ts";
import { type Report, SAMPLE_MS, statusReport } from "./status_report.ts";
import { type Answer, type ListenAddress, type RunningServer, serve, textAnswer } from "./http_server.ts";
import { PAGE } from "./page/page.ts";
import { type MonitoredStream, RelayMetrics, type RelayMetricsDeps } from "./relay_metrics.ts";

export interface MonitorOptions extends Pick<RelayMetricsDeps, "streams" | "versions"> {
  readonly listen: ListenAddress;
  /** The lag up to which a stream is ready, in milliseconds; a reload may change it. */
  readonly maxLag: () => number;
  readonly log: Logger;
  /** The settings in effect of each stream, by its name, without secrets. @default {none are shown} */
  readonly settings?: () => unknown;
  /** The collections of a stream as CrateDB has them. @param name as of `streams` @default {nothing} */
  readonly stored?: (stream: FollowedStream, name: string) => readonly CollectionStatus[];
  /** Settles when `stored` has what CrateDB has. @default {at once} */
  readonly readStored?: (stream: FollowedStream, name: string) => Promise<void>;
  /** @default {`/control` does not exist} */
  readonly control?: Control | undefined;
  /** @default {the system's} */
  readonly clock?: Clock;
}

export interface Monitor extends RunningServer {
  /** @param stream @default {the first one} */
  readonly listen: (event: RelayEvent, stream?: MonitoredStream) => void;
}

/**
 * Answers `/`, `/metrics`, `/healthz`, `/readyz`, `/status`, `/events`, `/settings` and `/control` until it is disposed of.
 * For several streams, `/readyz` has a line for each, or for the one in `?stream=`, and `/status` a list; `/events` has those
 * of all streams.
 */
export async function openMonitor(options: MonitorOptions): Promise<Monitor> {
  const { streams, maxLag, log, settings = () => [], stored, readStored, control, clock = SYSTEM_CLOCK } =
    options;
  const metrics = new RelayMetrics({ ...options, clock });
  const reports = new Map(streams.map((each) => {
    const { name, status } = each;
    const known = stored && ((followed: FollowedStream) => stored(followed, name));
    return [each, { name, ...statusReport(status, { clock, maxLag, stored: known }) }];
  }));
  /** Newest first. */
  let events: readonly RecordedEvent[] = [];
  const remember = on({ recorded: ({ event }) => events = [event, ...events].slice(0, MAX_EVENTS) });
  const all = forASecond(clock, (_: undefined) => Array.from(reports.values(), ({ report }) => report()));
  /** For the page: with the samples since its last one. */
  const view = forASecond(clock, (since: string) =>
    jsonAnswer({
      now: clock.now(),
      hasControl: control !== undefined,
      newestEvent: events[0]?.id ?? null,
      streams: Array.from(reports.values(), ({ name, history }, at) => ({
        name,
        ...shortened(all(undefined)[at]),
        history: history.since(Number(since)),
      })),
    }));
  const steered = (wanted: string | undefined) => {
    const found = Array.from(reports.values(), ({ name, followed }) => ({ name, followed: followed() }))
      .filter((each) => wanted === undefined || wanted === each.name || wanted === each.followed?.stream);
    const [{ name, followed } = { name: "" }] = found;
    return found.length === 1 && followed ? { name, followed } : undefined;
  };
  const server = await serve(options.listen, {
    "/": { get: () => PAGE },
    "/metrics": {
      get: async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
      anyHost: true,
    },
    "/healthz": { get: () => textAnswer(200, "alive"), anyHost: true },
    "/readyz": {
      get: (query) => readyAnswer(asked(streams, query.get("stream")), maxLag()),
      anyHost: true,
    },
    "/status": {
      get: async (query) => {
        const since = query.get("since");
        if (since !== null) return view(since);
        const reading = Array.from(reports.values(), async ({ name, followed }) => {
          const stream = followed();
          if (stream) await readStored?.(stream, name);
        });
        await waitAtMost(READ_MS, Promise.all(reading), clock);
        const found = all(undefined);
        return jsonAnswer(found.length === 1 ? found[0] : found, 2);
      },
    },
    "/events": { get: () => jsonAnswer(events) },
    "/settings": { get: () => jsonAnswer(settings(), 2) },
    ...control && { "/control": controlRoute(control, steered) },
  });
  const closed = new AbortController();
  sampleUntil(closed.signal, () => reports.forEach(({ history }) => history.sample()), clock);
  log.info("Metrics and health", { url: server.url });
  return {
    ...server,
    listen: (event, stream = streams[0]) => {
      metrics.listen(event, stream);
      reports.get(stream)?.listen(event);
      remember(event);
    },
    [Symbol.asyncDispose]: () => {
      closed.abort();
      return server[Symbol.asyncDispose]();
    },
  };
}

async function sampleUntil(signal: AbortSignal, sample: () => void, clock: Pick<Clock, "wait">) {
  while (!signal.aborted) {
    await clock.wait(SAMPLE_MS, { signal }).catch(() => {}); // It was closed.
    sample();
  }
}

/** Makes a value at most once a second, for any number of viewers that ask with the same key. */
function forASecond<Key, Value>(clock: Pick<Clock, "monotonic">, make: (key: Key) => Value) {
  let made: { readonly key: Key; readonly value: Value; readonly at: number } | undefined;
  return (key: Key): Value => {
    const at = clock.monotonic();
    if (!made || made.key !== key || at - made.at >= 1_000) made = { key, value: make(key), at };
    return made.value;
  };
}

/** Longest wait for CrateDB, which may be away. */
const READ_MS = 1_000;
/** Events of all streams together that are kept. */
const MAX_EVENTS = 100;
const SHOWN_COLLECTIONS = 200;

/** Has at most so many collections: first those that need attention. */
function shortened(all: Report | undefined) {
  const { following = [], ...others } = Object.groupBy(all?.collections ?? [], ({ state }) => state);
  const every = [...Object.values(others).flat(), ...following];
  const collections = every.slice(0, SHOWN_COLLECTIONS);
  return { ...all, collections, more_collections: every.length - collections.length };
}

const asked = (streams: readonly MonitoredStream[], stream: string | null): readonly MonitoredStream[] =>
  stream === null ? streams : streams.filter(({ name }) => name === stream);

function readyAnswer(streams: readonly MonitoredStream[], maxLag: number): Answer {
  if (streams.length === 0) return textAnswer(404, "This process has no stream of that name.");
  const all = streams.map(({ name, status }) => ({ name, ...readiness(status.current, maxLag) }));
  const lines = all.map(({ name, isReady, why }) => {
    const text = `${isReady ? "ready" : "not ready"}: ${why}`;
    return all.length > 1 ? `${visible(name)} ${text}` : text;
  });
  return textAnswer(all.every(({ isReady }) => isReady) ? 200 : 503, lines.join("\n"));
}

/**
 * The reason is one line; `maxLag`, in milliseconds, limits the lag while a stream is catching up.
 *
 * @example
 * IN: {phase: "following", lag: 40, …}, 60000 → OUT: {isReady: true, why: "following, 0.04 s behind"}
 * IN: {phase: "waiting for CrateDB", …}, 60000 → OUT: {isReady: false, why: "waiting for CrateDB: connection refused"}
 */
export function readiness(status: RelayStatus, maxLag: number) {
  const { phase, lag, lastError, snapshotDone, snapshotTotal } = status;
  if (phase !== "following" && phase !== "catching up") {
    const progress = phase === "snapshot" && snapshotDone !== null
      ? `${snapshotDone} of ${snapshotTotal} documents`
      : lastError;
    const why = progress === null ? phase : `${phase}: ${progress}`;
    return { isReady: false, why: why.replaceAll(/\s+/g, " ") };
  }
  if (lag === null) return { isReady: false, why: `${phase}, the lag is unknown yet` };
  const isReady = lag <= maxLag;
  const excess = isReady ? "" : `, more than --max-lag ${maxLag / 1_000} s`;
  return { isReady, why: `${phase}, ${lag / 1_000} s behind${excess}` };
}

const jsonAnswer = (value: unknown, indent = 0): Answer => ({
  status: 200,
  type: "application/json; charset=utf-8",
  body: `${JSON.stringify(value, null, indent)}\n`,
});
