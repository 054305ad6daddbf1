/** Who watches a relay, beside log and progress bar, as the command line says. */
import type { RelayObserver } from "../pipeline/observer.ts";
import type { StatusSource } from "../pipeline/relay_status.ts";
import type { Logger } from "../util/log.ts";
import { VERSION } from "../util/version.ts";
import { type Given, MONITORING, readOptions } from "./options.ts";

export interface Watchers extends AsyncDisposable {
  readonly observer: Partial<RelayObserver>;
}

export interface WatcherDeps {
  readonly status: StatusSource;
  readonly log: Logger;
}

/**
 * Loads only what is asked for.
 *
 * @throws UsageError, UserError
 */
export async function openWatchers(given: Given, { status, log }: WatcherDeps): Promise<Watchers> {
  const { listen, maxLag } = readOptions(MONITORING, given);
  await using opened = new AsyncDisposableStack();
  let observer: Partial<RelayObserver> = {};
  if (listen) {
    const { openMonitor } = await import("../metrics/monitor.ts");
    const versions = { version: VERSION, deno: Deno.version.deno };
    const monitor = opened.use(await openMonitor({ listen, maxLag, status, versions, log }));
    observer = monitor.observer;
  }
  const closing = opened.move();
  return { observer, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}
