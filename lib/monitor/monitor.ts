/** `--listen`: metrics, health and status of a relay over HTTP. */
import {
  type CollectionChange,
  type FollowedStream,
  on,
  type RelayEvent,
} from "../pipeline/status/events.ts";
import { columnsOf, type RelayStatus, type StatusSource } from "../pipeline/status/relay_status.ts";

import type { STATUS_FIELDS } from "../sink/metadata/status_view.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { namespaceText } from "../util/namespace.ts";
import { visible } from "../util/text.ts";
import { type Answer, type ListenAddress, type RunningServer, serve, textAnswer } from "./http_server.ts";
import { recentEvents } from "./recent_events.ts";
import { type MonitoredStream, RelayMetrics, type RelayMetricsDeps } from "./relay_metrics.ts";

export interface MonitorOptions extends Pick<RelayMetricsDeps, "streams" | "versions"> {
  readonly listen: ListenAddress;
  /** The lag up to which a stream is ready, in milliseconds; a reload may change it. */
  readonly maxLag: () => number;
  readonly log: Logger;
  /** @default {the system's} */
  readonly clock?: Pick<Clock, "now">;
}

export interface Monitor extends RunningServer {
  /** @param stream @default {the first one} */
  readonly listen: (event: RelayEvent, stream?: MonitoredStream) => void;
}

/**
 * Answers `/metrics`, `/healthz`, `/readyz`, `/status` and `/events` until it is disposed of. For several streams,
 * `/readyz` has a line for each, or for the one in `?stream=`, and `/status` a list; `/events` has those of all streams.
 */
export async function openMonitor(options: MonitorOptions): Promise<Monitor> {
  const { streams, maxLag, log, clock = SYSTEM_CLOCK } = options;
  const metrics = new RelayMetrics({ ...options, clock });
  const reports = new Map(streams.map((each) => [each, statusReport(each.status, clock)]));
  const recent = recentEvents();
  const status = () => Array.from(reports.values(), ({ report }) => report());
  const server = await serve(options.listen, {
    "/metrics": async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
    "/healthz": () => textAnswer(200, "alive"),
    "/readyz": (query) => readyAnswer(asked(streams, query.get("stream")), maxLag()),
    "/status": () => jsonAnswer(streams.length === 1 ? status()[0] : status()),
    "/events": () => jsonAnswer(recent.report()),
  });
  log.info("Metrics and health", { url: server.url });
  return {
    ...server,
    listen: (event, stream = streams[0]) => {
      metrics.listen(event, stream);
      reports.get(stream)?.listen(event);
      recent.listen(event);
    },
  };
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

const jsonAnswer = (value: unknown): Answer => ({
  status: 200,
  type: "application/json; charset=utf-8",
  body: `${JSON.stringify(value, null, 2)}\n`,
});

/**
 * The fields of `status --json` and of the view `cdc_status`, but not `state`, which is derived from outside. Times are in
 * ISO 8601, units are in the names.
 */
type ReportedFields = Record<"schema" | Exclude<typeof STATUS_FIELDS[number], "state">, unknown>;

/**
 * The answer of `/status` for a stream, from its status and its events.
 *
 * @example
 * IN: {current: {phase: "following", lag: 25, upserts: 80, deletes: 10, …}}, leaseTaken({schema: "doc", stream: "shop.* -> …"})
 * OUT: {schema: "doc", stream: "shop.* -> …", phase: "following", lag_ms: 25, rows: 90, …}
 */
export function statusReport(status: StatusSource, clock: Pick<Clock, "now">) {
  /** Undefined until both databases are connected. */
  let stream: FollowedStream | undefined;
  let savedAt: string | null = null;
  const changes = new Map<string, CollectionChange>();
  const timeText = (time: number) => new Date(time).toISOString();
  const listen = on({
    standingBy: (event) => stream = event,
    leaseTaken: (event) => stream = event,
    positionSaved: () => savedAt = timeText(clock.now()),
    collectionChanged: (change) => changes.set(namespaceText(change.namespace), change),
  });
  const report = () => ({
    schema: stream?.schema ?? null,
    stream: stream?.stream ?? null,
    ...columnsOf(status.current),
    owner: stream?.owner ?? null,
    reported_at: timeText(clock.now()),
    saved_at: savedAt,
    collections: [...changes].flatMap(([collection, { table, state, since }]) => {
      if (!state) return [];
      const { name, reason = null, hint = null } = state;
      return [{ collection, table, state: name, reason, hint, since: timeText(since) }];
    }),
  } satisfies ReportedFields & { readonly collections: readonly unknown[] });
  return { listen, report };
}
