/** What the streams of a process share: connections, outages, MongoDB's clock and the memory budget. */
import { Heartbeat } from "../pipeline/status/heartbeat.ts";
import type { Emit } from "../pipeline/status/events.ts";
import { type MemoryBudget, memoryBudget } from "../util/garbage.ts";
import type { MemoryShares, RelaySettings } from "../pipeline/settings.ts";
import { openTransport, sinkDescription } from "../sink/connection/open_transport.ts";
import type { Transport } from "../sink/connection/transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import { retrying } from "../sink/connection/wrappers.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { connectDeployment, type Deployment, serverDescription } from "../source/connection/deployment.ts";
import type { Route } from "../source/connection/route.ts";
import { type ServerClock, serverClock } from "../source/connection/cluster_time.ts";
import { type FeatureTrial, featureTrial } from "../source/stream/open_stream.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { type Liveness, OutageTracker, type System } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";

export interface PoolContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** @default {the system's} */
  readonly clock?: Clock;
}

interface StreamWatch {
  /** Receives the outages of both systems. */
  readonly emit: Emit;
  /** Called with each system before it is asked anything. */
  readonly watch?: (system: Liveness) => void;
}

export interface Connections extends AsyncDisposable {
  /** Fails at once if the sink does; {@linkcode Connections} close it. */
  readonly transport: Transport;
  readonly sinkOutages: OutageTracker;
  readonly deployment: Pick<Deployment, "route" | "secondaryRoute">;
  readonly mongodbOutages: OutageTracker;
  /** For requests to MongoDB that belong to no stream. */
  readonly route: Route;
  readonly mongodbClock: ServerClock;
  readonly features: FeatureTrial;
  readonly heartbeat: Pick<Heartbeat, "add">;
  readonly memory: MemoryBudget;
  readonly clock: Clock;
}

type Addresses = Pick<RelaySettings, "mongodbUrl" | "sink" | "retryFor">;

/** The connections of a process: one for each URL, for any number of streams. Those that fail are opened again. */
export class ConnectionPool implements AsyncDisposable {
  readonly #context: Required<PoolContext>;
  readonly #memory: MemoryBudget;
  readonly #opened = new AsyncDisposableStack();
  readonly #shutdown: Shutdown;
  readonly #sinks = new Map<string, Promise<SharedSink>>();
  readonly #deployments = new Map<string, SharedDeployment>();

  constructor(shares: Pick<MemoryShares, "inFlightBytes" | "heapBytes">, context: PoolContext) {
    this.#context = { clock: SYSTEM_CLOCK, ...context };
    this.#memory = memoryBudget(shares);
    this.#shutdown = this.#opened.use(new Shutdown(context.signal));
  }

  /** Connects a stream. Its disposal leaves the connections to the others. @throws the signal's reason if it is aborted */
  async connect(settings: Addresses, { emit, watch }: StreamWatch): Promise<Connections> {
    const { signal, clock } = this.#context;
    await using opened = new AsyncDisposableStack();
    const { transport, ...sink } = await this.#sink(settings.sink);
    opened.use(sink.listen(emit));
    watch?.(sink.outages);
    const mongodb = this.#deployment(settings);
    opened.use(mongodb.listen(emit));
    watch?.(mongodb.outages);

    const ask = () => patient.query("SELECT 1");
    const heartbeat = new Heartbeat({ mongodb: mongodb.outages, sink: sink.outages, ask, clock });
    const untilClosed = opened.use(new Shutdown(AbortSignal.any([signal, heartbeat.closed])));
    const retries = { shutdown: untilClosed, outages: sink.outages, retryFor: settings.retryFor };
    const patient = retrying(transport, retries);
    opened.use(heartbeat.start());
    const connected = await mongodb.connected;
    const closing = opened.move();
    return {
      transport,
      sinkOutages: sink.outages,
      mongodbOutages: mongodb.outages,
      ...connected,
      heartbeat,
      memory: this.#memory,
      clock,
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    };
  }

  async transport(sink: SinkAddress): Promise<Transport> {
    return (await this.#sink(sink)).transport;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }

  #sink(address: SinkAddress): Promise<SharedSink> {
    return shared(this.#sinks, JSON.stringify({ ...address, jwt: address.jwt?.() }), async () => {
      const { clock, log } = this.#context;
      await using opening = new AsyncDisposableStack();
      const transport = opening.use(await this.#shutdown.limit(openTransport(address, { log })));
      const description = await this.#shutdown.limit(sinkDescription(transport, address));
      log.info(`Connected to ${transport.dialect.name}`, description);
      this.#opened.use(opening.move());
      return { transport, ...sharedOutages(transport.dialect.name, clock) };
    });
  }

  #deployment({ mongodbUrl, retryFor }: Addresses): SharedDeployment {
    const known = this.#deployments.get(mongodbUrl);
    if (known) return known;
    const shares = sharedOutages("MongoDB", this.#context.clock);
    const connected = this.#connectMongodb(mongodbUrl, { outages: shares.outages, retryFor });
    connected.catch(() => this.#deployments.delete(mongodbUrl));
    const deployment = { ...shares, connected };
    this.#deployments.set(mongodbUrl, deployment);
    return deployment;
  }

  async #connectMongodb(url: string, retries: { outages: OutageTracker; retryFor: number }) {
    const { clock, log } = this.#context;
    const shutdown = this.#shutdown;
    await using opening = new AsyncDisposableStack();
    const deployment = opening.use(await shutdown.limit(connectDeployment(url)));
    const route = deployment.route();
    await using reader = new CausalReader(route, { shutdown, ...retries });
    log.info("Connected to MongoDB", await serverDescription(reader, url));
    const mongodbClock = await serverClock(reader, clock);
    const features = featureTrial((refused) =>
      log.info("MongoDB refuses a feature: continuing without it", { refused: refused.join(", ") })
    );
    this.#opened.use(opening.move());
    return { deployment, route, mongodbClock, features };
  }
}

type SharedOutages = ReturnType<typeof sharedOutages>;

type SharedSink = SharedOutages & Pick<Connections, "transport">;

interface SharedDeployment extends SharedOutages {
  readonly connected: Promise<Pick<Connections, "deployment" | "route" | "mongodbClock" | "features">>;
}

/** The outages of one system, for each stream that uses it. */
function sharedOutages(system: System, clock: Clock) {
  const streams = new Set<Emit>();
  const emit: Emit = (event) => {
    for (const each of streams) each(event);
  };
  const listen = (stream: Emit): Disposable => {
    streams.add(stream);
    return { [Symbol.dispose]: () => void streams.delete(stream) };
  };
  return { outages: new OutageTracker({ system, emit, clock }), listen };
}

/** The value of a key, made at the first call. After a failure the next call makes it again. */
function shared<Value>(
  all: Map<string, Promise<Value>>,
  key: string,
  make: () => Promise<Value>,
): Promise<Value> {
  const made = all.get(key) ?? make();
  all.set(key, made);
  made.catch(() => all.delete(key));
  return made;
}
