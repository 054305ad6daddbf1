/** What the streams of a process share: connections, outages, MongoDB's clock and the memory budget. */
import { Heartbeat } from "../pipeline/status/heartbeat.ts";
import type { Emit } from "../pipeline/status/events.ts";
import { type MemoryBudget, memoryBudget } from "../util/garbage.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import { openTransport, sinkDescription } from "../sink/connection/open_transport.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { retrying } from "../sink/connection/wrappers.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { connectDeployment, type Deployment, serverDescription } from "../source/connection/deployment.ts";
import type { Route } from "../source/connection/route.ts";
import { type ServerClock, serverClock } from "../source/connection/cluster_time.ts";
import { type FeatureTrial, featureTrial } from "../source/stream/open_stream.ts";
import { type Clock, SYSTEM_CLOCK } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { type Liveness, OutageTracker } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";

export interface ConnectContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Receives the outages of both systems. */
  readonly emit: Emit;
  /** Called with each system before it is asked anything. */
  readonly watch?: (system: Liveness) => void;
  /** @default {the system's} */
  readonly clock?: Clock;
}

export interface Connections extends AsyncDisposable {
  /** Fails at once if the sink does; {@linkcode Connections} close it. */
  readonly transport: Transport;
  readonly sinkOutages: OutageTracker;
  readonly deployment: Pick<Deployment, "route">;
  readonly mongodbOutages: OutageTracker;
  /** For requests to MongoDB that belong to no stream. */
  readonly route: Route;
  readonly mongodbClock: ServerClock;
  readonly features: FeatureTrial;
  readonly heartbeat: Pick<Heartbeat, "add">;
  readonly memory: MemoryBudget;
  readonly clock: Clock;
}

/** Connects to both databases. Throws the signal's reason if it is aborted. */
export async function connect(
  settings: Pick<RelaySettings, "mongodbUrl" | "sink" | "retryFor" | "inFlightBytes" | "heapBytes">,
  { signal, log, emit, watch, clock = SYSTEM_CLOCK }: ConnectContext,
): Promise<Connections> {
  const { mongodbUrl, sink, retryFor } = settings;
  await using opened = new AsyncDisposableStack();
  const shutdown = opened.use(new Shutdown(signal));
  const watched = (system: OutageTracker["system"]) => {
    const outages = new OutageTracker({ system, emit, clock });
    watch?.(outages);
    return outages;
  };

  const transport = opened.use(await shutdown.limit(openTransport(sink, { log })));
  log.info(`Connected to ${transport.dialect.name}`, await shutdown.limit(sinkDescription(transport, sink)));
  const sinkOutages = watched(transport.dialect.name);
  const mongodbOutages = watched("MongoDB");

  const ask = () => patient.query("SELECT 1");
  const heartbeat = new Heartbeat({ mongodb: mongodbOutages, sink: sinkOutages, ask, clock });
  const untilClosed = opened.use(new Shutdown(AbortSignal.any([signal, heartbeat.closed])));
  const patient = retrying(transport, { shutdown: untilClosed, outages: sinkOutages, retryFor });
  opened.use(heartbeat.start());

  const deployment = opened.use(await shutdown.limit(connectDeployment(mongodbUrl)));
  const route = deployment.route();
  await using reader = new CausalReader(route, { shutdown, outages: mongodbOutages, retryFor });
  log.info("Connected to MongoDB", await serverDescription(reader, mongodbUrl));
  const mongodbClock = await serverClock(reader, clock);
  const features = featureTrial((refused) =>
    log.info("MongoDB refuses a feature: continuing without it", { refused: refused.join(", ") })
  );

  const closing = opened.move();
  return {
    transport,
    sinkOutages,
    deployment,
    mongodbOutages,
    route,
    mongodbClock,
    features,
    heartbeat,
    memory: memoryBudget(settings),
    clock,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
