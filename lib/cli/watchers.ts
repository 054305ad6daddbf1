/** What watches the streams of a process: log, progress, metrics and health for `--listen`, and traces. */
import process from "node:process";
import type { Environment } from "../config/read.ts";
import { logListener, summaryListener } from "../monitor/log_listener.ts";
import { type Hook, openHooks } from "../monitor/hooks.ts";
import type { MonitorOptions } from "../monitor/monitor.ts";
import type { MonitoredStream } from "../monitor/relay_metrics.ts";
import { emitter, type FollowedStream, type Listener, type RelayEvent } from "../pipeline/status/events.ts";
import { UNTRACED } from "../pipeline/status/stages.ts";
import { type Clock, SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { shared } from "../util/concurrency.ts";
import { runtimeOf, VERSION } from "../util/runtime.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import type { CommandContext } from "./command.ts";
import { snapshotProgress } from "./progress.ts";
import type { Control } from "../monitor/control_route.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { ControlRequests } from "../sink/metadata/control_requests.ts";
import type { CollectionStatus } from "../sink/metadata/status_view.ts";
import { collectionsIn } from "../status/stream_status.ts";

interface WatchersOptions extends Pick<MonitorOptions, "maxLag" | "log" | "streams" | "settings"> {
  /** Read again for each request; undefined for no control. */
  readonly token: (() => string) | undefined;
  /** The CrateDB of a stream, by its name. */
  readonly sinkOf: (name: string) => SinkAddress;
  readonly listen: MonitorOptions["listen"] | undefined;
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
  const side = {
    stored: source.stored,
    readStored: source.read,
    control: token && { token, ask: source.ask },
  };
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
      const listeners = [logListener(log), more, progress, summary, monitored, told.listen, listen];
      return { emit: emitter(...listeners), trace };
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** Between two readings of a schema. */
const INTERVAL_MS = 5_000;

interface Schema {
  /** By stream. */
  collections: ReadonlyMap<string, readonly CollectionStatus[]>;
  askedAt: number;
  /** Undefined if nothing is being read. */
  reading: Promise<void> | undefined;
}

/** What the page shows that only CrateDB has, over separate connections, so that nothing delays the streams. */
export class PageSource implements AsyncDisposable {
  readonly #transports = new Map<string, Promise<Transport>>();
  readonly #schemas = new Map<string, Schema>();

  /** @param sinkOf the CrateDB of a stream, by its name in the file */
  constructor(
    private readonly sinkOf: (name: string) => SinkAddress,
    private readonly clock: Pick<Clock, "monotonic">,
    private readonly open: (sink: SinkAddress) => Promise<Transport> = openTransport,
  ) {}

  /** What was read last, at once. Reads again in the background. */
  readonly stored = (followed: FollowedStream, name: string): readonly CollectionStatus[] => {
    this.read(followed, name);
    return this.#schemaOf(followed, name).collections.get(followed.stream) ?? [];
  };

  /** Reads at most every five seconds and only when asked. Settles when {@linkcode stored} has what was read; never fails. */
  readonly read = async (followed: FollowedStream, name: string): Promise<void> => {
    const known = this.#schemaOf(followed, name);
    if (!known.reading && this.clock.monotonic() - known.askedAt >= INTERVAL_MS) {
      known.askedAt = this.clock.monotonic();
      known.reading = this.#transport(this.sinkOf(name))
        .then((transport) => collectionsIn(transport, followed.schema))
        .then((found) => void (known.collections = found), () => {}) // The stream reports an outage.
        .finally(() => known.reading = undefined);
    }
    await known.reading;
  };

  #schemaOf({ schema }: FollowedStream, name: string): Schema {
    const key = JSON.stringify([schema, this.sinkOf(name)]);
    const known = this.#schemas.get(key) ??
      { collections: new Map(), askedAt: -Infinity, reading: undefined };
    this.#schemas.set(key, known);
    return known;
  }

  readonly ask: Control["ask"] = async (request, { name, followed }) => {
    const requests = new ControlRequests(await this.#transport(this.sinkOf(name)), followed);
    return (await requests.add(request)).id;
  };

  #transport(sink: SinkAddress): Promise<Transport> {
    return shared(this.#transports, JSON.stringify(sink), () => this.open(sink));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#transports.values().map(async (opened) =>
      await (await opened)[Symbol.asyncDispose]()
    );
    await Promise.allSettled(closed);
  }
}
