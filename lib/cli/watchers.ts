/** What watches the streams of a process from outside: metrics and health for `--listen`, and traces. */
import type { Environment } from "../config/read.ts";
import type { MonitorOptions } from "../monitor/monitor.ts";
import type { MonitoredStream } from "../monitor/relay_metrics.ts";
import { emitter, type Listener } from "../pipeline/status/events.ts";
import { type Trace, UNTRACED } from "../pipeline/status/stages.ts";
import { VERSION } from "../util/runtime.ts";

export interface WatchersOptions extends Omit<MonitorOptions, "listen"> {
  readonly listen: MonitorOptions["listen"] | undefined;
  /** Deno exports traces with `OTEL_DENO=true`. */
  readonly env: Environment | undefined;
}

export interface Watchers extends AsyncDisposable {
  of(stream: MonitoredStream): { readonly listen: Listener; readonly trace: Trace };
}

export async function openWatchers({ listen, env, ...options }: WatchersOptions): Promise<Watchers> {
  await using opened = new AsyncDisposableStack();
  const monitor = listen &&
    opened.use(await (await import("../monitor/monitor.ts")).openMonitor({ ...options, listen }));
  const { openTracing } = env?.OTEL_DENO === "true" ? await import("../monitor/tracing.ts") : {};
  const closing = opened.move();
  return {
    of: (stream) => {
      const { listen, trace } = openTracing?.(VERSION, stream.name) ?? { listen: () => {}, trace: UNTRACED };
      return { listen: emitter((event) => monitor?.listen(event, stream), listen), trace };
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
