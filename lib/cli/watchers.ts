/** Who watches a relay, beside log and progress bar, as the command line says. */
import process from "node:process";
import type { Listener } from "../pipeline/status/events.ts";
import type { StatusSource } from "../pipeline/status/relay_status.ts";
import { type Trace, UNTRACED } from "../pipeline/status/stages.ts";
import type { Logger } from "../util/log.ts";
import { VERSION } from "../util/version.ts";
import { type Given, readOptions } from "../config/options/read.ts";
import { MONITORING } from "../config/options/relay.ts";
import { runtimeOf } from "./runtime.ts";

export interface Watchers extends AsyncDisposable {
  readonly listeners: readonly Listener[];
  readonly trace: Trace;
}

export interface WatcherDeps {
  readonly status: StatusSource;
  readonly log: Logger;
}

/**
 * Metrics and health where `--listen` says, traces where Deno exports them (`OTEL_DENO=true`). Loads only what is asked for.
 *
 * @throws UsageError, UserError
 */
export async function openWatchers(given: Given, { status, log }: WatcherDeps): Promise<Watchers> {
  const { listen, maxLag } = readOptions(MONITORING, given);
  await using opened = new AsyncDisposableStack();
  const listeners: Listener[] = [];
  let trace = UNTRACED;
  if (listen) {
    const { openMonitor } = await import("../monitor/monitor.ts");
    const { name, version } = runtimeOf(process.versions);
    const versions = { version: VERSION, runtime: `${name} ${version}` };
    const monitor = opened.use(
      await openMonitor({ listen, maxLag, streams: [{ name: "", status }], versions, log }),
    );
    listeners.push(monitor.listen);
  }
  if (given.env.OTEL_DENO === "true") {
    const { openTracing } = await import("../monitor/tracing.ts");
    const tracing = openTracing(VERSION);
    listeners.push(tracing.listen);
    trace = tracing.trace;
  }
  const closing = opened.move();
  return { listeners, trace, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}
