/** What watches the streams of a process from outside: metrics and health for `--listen`, and traces. */
import type { Environment } from "../config/read.ts";
import type { MonitorOptions } from "../monitor/monitor.ts";
import type { MonitoredStream } from "../monitor/relay_metrics.ts";
import { emitter } from "../pipeline/status/events.ts";
import { UNTRACED } from "../pipeline/status/stages.ts";
import { VERSION } from "../util/runtime.ts";

interface WatchersOptions extends Omit<MonitorOptions, "listen"> {
  readonly listen: MonitorOptions["listen"] | undefined;
  /** Deno exports traces with `OTEL_DENO=true`. */
  readonly env: Environment | undefined;
}

export async function openWatchers({ listen, env, ...options }: WatchersOptions) {
  const { openTracing } = env?.OTEL_DENO === "true" ? await import("../monitor/tracing.ts") : {};
  const monitor = listen && await (await import("../monitor/monitor.ts")).openMonitor({ ...options, listen });
  return {
    of: (stream: MonitoredStream) => {
      const { listen, trace } = openTracing?.(VERSION, stream.name) ?? { listen: () => {}, trace: UNTRACED };
      return { listen: emitter((event) => monitor?.listen(event, stream), listen), trace };
    },
    [Symbol.asyncDispose]: async () => await monitor?.[Symbol.asyncDispose](),
  };
}
