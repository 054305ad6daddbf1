/** `--listen`: metrics, health and status of a relay over HTTP. */
import { emitter, type FollowedStream, type Listener, on } from "../pipeline/status/events.ts";
import type { StatusSource } from "../pipeline/status/relay_status.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { type Answer, type RunningServer, serve, textAnswer } from "./http_server.ts";
import type { ListenAddress } from "./listen_address.ts";
import { readiness } from "./readiness.ts";
import { RelayMetrics } from "./relay_metrics.ts";
import { statusReport } from "./status_report.ts";

export interface MonitorOptions {
  readonly listen: ListenAddress;
  /** Milliseconds that the tables may be behind. */
  readonly maxLag: number;
  readonly status: StatusSource;
  readonly versions: { readonly version: string; readonly runtime: string };
  readonly log: Logger;
  /** @default {the system's} */
  readonly clock?: Pick<Clock, "now">;
}

export interface Monitor extends RunningServer {
  readonly listen: Listener;
}

/**
 * Answers `/metrics`, `/healthz`, `/readyz` and `/status` until it is disposed of.
 *
 * @throws UserError when the address cannot be had
 */
export async function openMonitor(options: MonitorOptions): Promise<Monitor> {
  const { maxLag, status, versions, log, clock = SYSTEM_CLOCK } = options;
  const metrics = new RelayMetrics({ status, clock, versions });
  let stream: FollowedStream | undefined;
  let savedAt: number | undefined;
  const listen = on({
    standingBy: (waitedFor) => stream = waitedFor,
    leaseTaken: (taken) => stream = taken,
    positionSaved: () => savedAt = clock.now(),
  });
  const server = await serve(options.listen, {
    "/metrics": async () => ({ status: 200, type: metrics.contentType, body: await metrics.text() }),
    "/healthz": () => textAnswer(200, "alive"),
    "/readyz": () => ready(status, maxLag),
    "/status": () => json(statusReport(status.current, { stream, savedAt, now: clock.now() })),
  });
  log.info("Metrics and health", { url: server.url });
  return { ...server, listen: emitter(metrics.listen, listen) };
}

function ready(status: StatusSource, maxLag: number): Answer {
  const { isReady, why } = readiness(status.current, maxLag);
  return textAnswer(isReady ? 200 : 503, isReady ? `ready: ${why}` : `not ready: ${why}`);
}

const json = (value: unknown): Answer => ({
  status: 200,
  type: "application/json; charset=utf-8",
  body: `${JSON.stringify(value, null, 2)}\n`,
});
