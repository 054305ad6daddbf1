/** What watches the streams of a process: log, progress, metrics and health for `--listen`, and traces. */
import process from "node:process";
import type { Environment } from "../config/read.ts";
import { logListener } from "../monitor/log_listener.ts";
import { type Hook, openHooks } from "../monitor/hooks.ts";
import type { MonitorOptions } from "../monitor/monitor.ts";
import type { MonitoredStream } from "../monitor/relay_metrics.ts";
import { summaryListener } from "../monitor/summary_listener.ts";
import { emitter, type Listener, type RelayEvent } from "../pipeline/status/events.ts";
import { UNTRACED } from "../pipeline/status/stages.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { runtimeOf, VERSION } from "../util/runtime.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import type { CommandContext } from "./command.ts";
import { PageSource } from "./page_source.ts";
import { snapshotProgress } from "./progress.ts";

interface WatchersOptions extends Pick<MonitorOptions, "maxLag" | "log" | "streams" | "settings"> {
  /** Read again for each request; undefined for no control. */
  readonly token: (() => string) | undefined;
  /** The CrateDB of a stream, by its name. */
  readonly sinkOf: (name: string) => SinkAddress;
  readonly listen: MonitorOptions["listen"] | undefined;
  /** Receivers of events. */
  readonly hooks: readonly Hook[];
  /** Deno exports traces with `OTEL_DENO=true`. */
  readonly env: Environment | undefined;
}

export async function openWatchers(
  { listen, env, token, sinkOf, hooks, ...options }: WatchersOptions,
) {
  await using opened = new AsyncDisposableStack();
  const { name, version } = runtimeOf(process.versions);
  const versions = { version: VERSION, runtime: `${name} ${version}` };
  options.log.info("Starting cdc-relay", versions);
  const { openTracing } = env?.OTEL_DENO === "true" ? await import("../monitor/tracing.ts") : {};
  const { openMonitor } = listen ? await import("../monitor/monitor.ts") : {};
  const source = opened.use(new PageSource(sinkOf, clock));
  const side = { stored: source.stored, control: token && { token, ask: source.ask } };
  const monitor = listen && openMonitor &&
    opened.use(await openMonitor({ ...options, ...side, listen, versions }));
  const onFailure = (event: RelayEvent) => monitor?.listen(event);
  const told = opened.use(openHooks(hooks, { log: options.log, onFailure }));
  const closing = opened.move();
  return {
    of(
      stream: MonitoredStream,
      display: Pick<CommandContext, "log" | "statusLine">,
      more: Listener = () => {},
    ) {
      const { log } = display;
      const { listen, trace } = openTracing?.(VERSION, stream.name) ?? { listen: () => {}, trace: UNTRACED };
      const progress = closing.use(snapshotProgress(display)).listen;
      const summary = summaryListener({ log, status: stream.status, clock });
      const monitored: Listener = (event) => monitor?.listen(event, stream);
      return {
        emit: emitter(
          logListener(log),
          more,
          progress,
          summary,
          monitored,
          told.listen,
          listen,
        ),
        trace,
      };
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
