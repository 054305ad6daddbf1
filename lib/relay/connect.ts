/** What the streams of a process share: connections, MongoDB's clock and the limit of the heap. */
import { Heartbeat } from "../pipeline/status/heartbeat.ts";
import type { Emit } from "../pipeline/status/events.ts";
import { garbageLimit, type MemoryBudget } from "../util/garbage.ts";
import type { MemoryShares, RelaySettings } from "../pipeline/settings.ts";
import { openTransport, sinkDescription } from "../sink/connection/open_transport.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { addressKey, type SinkAddress } from "../sink/connection/url.ts";
import { retrying } from "../sink/connection/wrappers.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { connectDeployment, type Deployment, serverDescription } from "../source/connection/deployment.ts";
import type { Route } from "../source/connection/route.ts";
import { type ServerClock, serverClock } from "../source/connection/cluster_time.ts";
import { type FeatureTrial, featureTrial } from "../source/stream/open_stream.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import { Semaphore, shared } from "../util/concurrency.ts";
import type { Logger } from "../util/log.ts";
import { type Liveness, OutageTracker, type System } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";

export interface PoolContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** @default {the system's} */
  readonly clock?: Clock;
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

/** The connections of a process: one for each URL, for any number of streams. Those that fail are opened again. */
export class ConnectionPool implements AsyncDisposable {
  readonly clock: Clock;
  readonly #log: Logger;
  readonly #garbage: MemoryBudget["garbage"];
  readonly #opened = new AsyncDisposableStack();
  readonly #shutdown: Shutdown;
  readonly #transports = new Map<string, Promise<Transport>>();
  readonly #deployments = new Map<string, Promise<SharedMongodb>>();

  constructor(
    { heapBytes }: Pick<MemoryShares, "heapBytes">,
    { signal, log, clock = SYSTEM_CLOCK }: PoolContext,
  ) {
    this.clock = clock;
    this.#log = log;
    this.#garbage = garbageLimit(heapBytes);
    this.#shutdown = this.#opened.use(new Shutdown(signal));
  }

  /**
   * Connects a stream, with its own outages: what one stream waits for may answer the others. Its disposal leaves the
   * connections to the others. @throws the signal's reason if it is aborted
   */
  async connect(
    { mongodbUrl, sink, retryFor, inFlightBytes }: Pick<
      RelaySettings,
      "mongodbUrl" | "sink" | "retryFor" | "inFlightBytes"
    >,
    { emit, watch }: {
      /** Receives the outages of both systems. */
      readonly emit: Emit;
      /** Called with each system before it is asked anything. */
      readonly watch?: (system: Liveness) => void;
    },
  ): Promise<Connections> {
    const { clock } = this;
    await using opened = new AsyncDisposableStack();
    const watched = (system: System) => {
      const outages = new OutageTracker({ system, emit, clock });
      watch?.(outages);
      return outages;
    };
    const transport = await this.transport(sink);
    const sinkOutages = watched(transport.dialect.name);
    const mongodbOutages = watched("MongoDB");
    const ask = () => patient.query("SELECT 1");
    const heartbeat = new Heartbeat({ mongodb: mongodbOutages, sink: sinkOutages, ask, clock });
    const untilClosed = AbortSignal.any([this.#shutdown.signal, heartbeat.closed]);
    const shutdown = opened.use(new Shutdown(untilClosed));
    const patient = retrying(transport, { shutdown, outages: sinkOutages, retryFor });
    opened.use(heartbeat.start());
    const connected = await shared(
      this.#deployments,
      mongodbUrl,
      () => this.#connectMongodb(mongodbUrl, { outages: mongodbOutages, retryFor }),
    );
    const closing = opened.move();
    return {
      transport,
      sinkOutages,
      mongodbOutages,
      ...connected,
      heartbeat,
      memory: { inFlight: new Semaphore(inFlightBytes), garbage: this.#garbage },
      clock,
      [Symbol.asyncDispose]: () => closing.disposeAsync(),
    };
  }

  transport(address: SinkAddress): Promise<Transport> {
    return shared(this.#transports, addressKey(address), async () => {
      await using opening = new AsyncDisposableStack();
      const open = openTransport(address, { log: this.#log });
      const transport = opening.use(await this.#shutdown.limit(open));
      const description = await this.#shutdown.limit(sinkDescription(transport, address));
      this.#log.info(`Connected to ${transport.dialect.name}`, description);
      this.#opened.use(opening.move());
      return transport;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }

  async #connectMongodb(
    url: string,
    retries: { readonly outages: OutageTracker; readonly retryFor: number },
  ): Promise<SharedMongodb> {
    const shutdown = this.#shutdown;
    await using opening = new AsyncDisposableStack();
    const deployment = opening.use(await shutdown.limit(connectDeployment(url)));
    const route = deployment.route();
    await using reader = new CausalReader(route, { shutdown, ...retries });
    this.#log.info("Connected to MongoDB", await serverDescription(reader, url));
    const mongodbClock = await serverClock(reader, this.clock);
    const features = featureTrial((refused) =>
      this.#log.info("MongoDB refuses a feature: continuing without it", { refused: refused.join(", ") })
    );
    this.#opened.use(opening.move());
    return { deployment, route, mongodbClock, features };
  }
}

type SharedMongodb = Pick<Connections, "deployment" | "route" | "mongodbClock" | "features">;
