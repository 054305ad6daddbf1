/** The probes of each start of a relay. */
import type { RelaySettings } from "../../pipeline/settings.ts";
import type { Emit } from "../../pipeline/status/events.ts";
import { warning } from "../../pipeline/status/finding.ts";
import { readPosition } from "../../sink/metadata/saved_position.ts";
import { CausalReader } from "../../source/connection/causal_reader.ts";
import { collectionsOf } from "../../source/documents/collections.ts";
import { waitAtMost } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import { type Logger, QUIET } from "../../util/log.ts";
import { OutageTracker } from "../../util/outage.ts";
import { Shutdown } from "../../util/shutdown.ts";
import type { Connections } from "../connect.ts";
import { CRATEDB_PROBES, PROBES_OF_BOTH } from "./cratedb_probes.ts";
import { MONGODB_PROBES } from "./mongodb_probes.ts";
import { askAll, type BothSides, type Probe, type SourceSide } from "./probe.ts";

/** All probes of a stream whose databases both answer. */
export const PROBES: readonly Probe<BothSides>[] = [...MONGODB_PROBES, ...CRATEDB_PROBES, ...PROBES_OF_BOTH];

/** What probes of MongoDB need. Its reads are tried once. */
export async function openSourceSide(
  { signal, ...given }: Pick<SourceSide, "route" | "features" | "settings" | "clock"> & {
    readonly signal: AbortSignal;
  },
): Promise<SourceSide & AsyncDisposable> {
  const outages = new OutageTracker({ system: "MongoDB", emit: () => {} });
  await using opened = new AsyncDisposableStack();
  const shutdown = opened.use(new Shutdown(signal));
  const causalReader = opened.use(new CausalReader(given.route, { shutdown, outages, retryFor: 0 }));
  const skipped: string[] = [];
  const warn: Logger["warn"] = (_, { collection, because } = {}) =>
    void skipped.push(`${collection}: ${because}`);
  const collections = await collectionsOf(causalReader, given.settings.scope, { log: { ...QUIET, warn } });
  const closing = opened.move();
  const { settings, clock, route, features } = given;
  const side = { settings, clock, route, features, causalReader, collections, skipped };
  return { ...side, [Symbol.asyncDispose]: () => closing.disposeAsync() };
}

const LIMIT_MS = 5_000;

/**
 * Asks what the next steps of a start do not: they end it with the same text as `check`. Throws nothing, and waits for no
 * database that does not answer.
 */
export async function askAtStart(
  connections: Connections,
  settings: RelaySettings,
  { signal, log, emit }: { readonly signal: AbortSignal; readonly log: Logger; readonly emit: Emit },
): Promise<void> {
  const { transport, clock } = connections;
  const names = settings.namesIn(transport.dialect.schema ?? settings.sink.schema);
  const ask = async () => {
    await using source = await openSourceSide({ ...connections, settings, signal });
    const { metadataSchema: schema, stream } = names;
    const isFirst = !await readPosition(transport, { schema, stream });
    const probes = PROBES.filter(({ isOfStart }) => isOfStart);
    const onError = (error: unknown) => warning(messageOf(error), "Run check.");
    const findings = await askAll(probes, { ...source, transport, names }, onError);
    for (const { probe, level, text, hint } of findings) {
      if (level !== "ok") log.debug(text, { probe, hint });
    }
    emit({ type: "checked", findings, isFirst });
  };
  await waitAtMost(LIMIT_MS, ask(), clock);
}
