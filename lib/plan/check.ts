/** `check`: asks both databases whether a relay would work. Changes nothing. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { failed, type Finding } from "../pipeline/status/finding.ts";
import { CRATEDB_PROBES, PROBES_OF_BOTH } from "../relay/probes/cratedb_probes.ts";
import { MONGODB_PROBES } from "../relay/probes/mongodb_probes.ts";
import { askAll, type BothSides, type SinkSide, type SourceSide } from "../relay/probes/probe.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import { savedName } from "../sink/metadata/saved_position.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { serverClock } from "../source/connection/cluster_time.ts";
import { connectDeployment } from "../source/connection/deployment.ts";
import { collectionsOf } from "../source/documents/collections.ts";
import { sizesOf } from "../source/documents/sample.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { type Logger, QUIET } from "../util/log.ts";
import { OutageTracker } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";

interface Opening {
  readonly signal: AbortSignal;
  /** Closes what is opened. */
  readonly opened: AsyncDisposableStack;
}

/** The sides of the databases that answer, and a finding for each that does not. */
export async function openSides(settings: RelaySettings, opening: Opening) {
  const findings: Finding[] = [];
  const without = (probe: string) => (error: unknown) => void findings.push({ probe, ...failed(error) });
  const [source, sink] = await Promise.all([
    openSource(settings, opening).catch(without("MongoDB")),
    openSink(settings, opening).catch(without("CrateDB")),
  ]);
  return { source, sink, findings };
}

/** Each read is tried once. */
async function openSource(settings: RelaySettings, { signal, opened }: Opening): Promise<SourceSide> {
  const route = opened.use(await connectDeployment(settings.mongodbUrl)).route();
  const shutdown = opened.use(new Shutdown(signal));
  const outages = new OutageTracker({ system: "MongoDB", emit: () => {} });
  const causalReader = opened.use(new CausalReader(route, { shutdown, outages, retryFor: 0 }));
  const mongodbClock = await serverClock(causalReader, clock);
  const skipped: string[] = [];
  const warn: Logger["warn"] = (_, { collection, because } = {}) =>
    void skipped.push(`${collection}: ${because}`);
  const collections = await collectionsOf(causalReader, settings.scope, { log: { ...QUIET, warn } });
  const sizes = sizesOf(causalReader);
  return { settings, clock, route, causalReader, mongodbClock, collections, sizes, skipped };
}

async function openSink(settings: RelaySettings, { opened }: Pick<Opening, "opened">): Promise<SinkSide> {
  const transport = opened.use(await openTransport(settings.sink));
  const names = settings.namesIn(transport.dialect.schema ?? settings.sink.schema);
  const stream = await savedName(transport, { schema: names.metadataSchema, stream: names.stream });
  return { settings, clock, transport, names: { ...names, stream } };
}

/** @param others further ways to CrateDB, which a relay can do without */
export async function check(
  settings: RelaySettings,
  { signal, others = [], content }: Pick<BothSides, "content"> & {
    readonly signal: AbortSignal;
    readonly others?: readonly SinkAddress[];
  },
): Promise<readonly Finding[]> {
  await using opened = new AsyncDisposableStack();
  const { source, sink, findings } = await openSides(settings, { signal, opened });
  const askOther = (sink: SinkAddress) =>
    openSink({ ...settings, sink }, { opened }).then(
      (side) => askAll(CRATEDB_PROBES.slice(0, 1), side),
      (error) => [{ probe: "CrateDB", ...failed(error), level: "warning" } as const],
    );
  const ofEach = await Promise.all([
    source ? askAll(MONGODB_PROBES, source) : [],
    sink ? askAll(CRATEDB_PROBES, sink) : [],
    ...others.map(askOther),
  ]);
  const both = source && sink && { ...source, ...sink, ...content && { content } };
  const ofBoth = both ? await askAll(PROBES_OF_BOTH, both) : [];
  signal.throwIfAborted();
  return [findings, ...ofEach, ofBoth].flat();
}
