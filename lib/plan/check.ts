/** `check`: asks both databases whether a relay would work. Changes nothing. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { failed, type Finding } from "../pipeline/status/finding.ts";
import { CRATEDB_PROBES, PROBES_OF_BOTH } from "../relay/probes/cratedb_probes.ts";
import { MONGODB_PROBES } from "../relay/probes/mongodb_probes.ts";
import { askAll, type SinkSide } from "../relay/probes/probe.ts";
import { openSourceSide } from "../relay/probes/start.ts";
import type { Content } from "../relay/stream_settings.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import { savedName } from "../sink/metadata/saved_position.ts";
import { connectDeployment } from "../source/connection/deployment.ts";
import { featureTrial } from "../source/stream/open_stream.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";

interface SidesContext {
  readonly signal: AbortSignal;
  /** Closes what is opened. */
  readonly opened: AsyncDisposableStack;
}

/** The sides of the databases that answer, and a finding for each that does not. */
export async function openSides(settings: RelaySettings, { signal, opened }: SidesContext) {
  const findings: Finding[] = [];
  const none = (probe: string) => (error: unknown) => {
    findings.push({ probe, ...failed(error) });
    return undefined;
  };
  const openSource = async () => {
    const route = opened.use(await connectDeployment(settings.mongodbUrl)).route();
    const features = featureTrial(() => {});
    return opened.use(await openSourceSide({ route, features, settings, clock, signal }));
  };
  const [source, sink] = await Promise.all([
    openSource().catch(none("MongoDB")),
    openSink(settings, opened).catch(none("CrateDB")),
  ]);
  return { source, sink, findings };
}

async function openSink(settings: RelaySettings, opened: AsyncDisposableStack): Promise<SinkSide> {
  const transport = opened.use(await openTransport(settings.sink));
  const names = settings.namesIn(transport.dialect.schema ?? settings.sink.schema);
  const stream = await savedName(transport, { schema: names.metadataSchema, stream: names.stream });
  return { settings, clock, transport, names: { ...names, stream } };
}

/** @param others further ways to CrateDB, which a relay can do without */
export async function check(
  settings: RelaySettings,
  { signal, others = [], content }: {
    readonly signal: AbortSignal;
    readonly others?: readonly SinkAddress[];
    readonly content?: Content;
  },
): Promise<readonly Finding[]> {
  await using opened = new AsyncDisposableStack();
  const { source, sink, findings } = await openSides(settings, { signal, opened });
  const askOther = (sink: SinkAddress) =>
    openSink({ ...settings, sink }, opened).then(
      (side) => askAll(CRATEDB_PROBES.slice(0, 1), side),
      (error) => [{ probe: "CrateDB", ...failed(error), level: "warning" } as const],
    );
  const asked = [
    source ? askAll(MONGODB_PROBES, source) : [],
    sink ? askAll(CRATEDB_PROBES, sink) : [],
    source && sink ? askAll(PROBES_OF_BOTH, { ...source, ...sink, ...content && { content } }) : [],
    ...others.map(askOther),
  ];
  return [...findings, ...(await Promise.all(asked)).flat()];
}
