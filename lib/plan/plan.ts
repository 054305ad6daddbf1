/** `plan`: the tables of a stream, what will not fit in them, and how long the snapshot will take. */
import { checkTransforms } from "../pipeline/loop/startup.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import { failed, warning } from "../pipeline/status/finding.ts";
import { PROBES_OF_BOTH, shardsOf } from "../relay/probes/cratedb_probes.ts";
import { MONGODB_PROBES } from "../relay/probes/mongodb_probes.ts";
import { askAll, type SinkSide, type SourceSide, tableOf } from "../relay/probes/probe.ts";
import { CRATEDB } from "../sink/sql/dialect.ts";
import { quoteTable } from "../sink/sql/names.ts";
import { createTable, shardsFor } from "../sink/table/create_table.ts";
import { missingColumns } from "../sink/table/designed_columns.ts";
import { usableTable } from "../sink/table/target_table.ts";
import { errorOfOpening, isUnusableTable } from "../sink/table/unusable_table.ts";
import { isNotAllowed } from "../source/connection/mongodb_errors.ts";
import { estimatedCount } from "../source/documents/collections.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { averageBytes, sampleOf, sampleSize } from "../source/documents/sample.ts";
import { oldestEntry } from "../source/stream/oplog.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { UserError } from "../util/errors.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { openSides } from "./check.ts";
import { measure } from "./measure.ts";
import { knownOf, rebuildsOf, suggestionsOf } from "./suggestions.ts";
import { planTable } from "./table_plan.ts";

export interface PlanSettings {
  readonly relay: RelaySettings;
  /** Documents to read of each collection at most. */
  readonly sample: number;
  /** Rows to write to a scratch table; 0 for none. */
  readonly measure: number;
  readonly tables: "plan" | "create";
}

export type CollectionPlan = Awaited<ReturnType<typeof planCollection>>;
export type StreamPlan = Awaited<ReturnType<typeof plan>>;

/** Rows that a snapshot writes per second, unless it is measured. */
const RATE = 20_000;

/** Plans the tables of all collections that can be read. Creates them if that is asked for. */
export async function plan(settings: PlanSettings, { signal }: { readonly signal: AbortSignal }) {
  await using opened = new AsyncDisposableStack();
  const { source, sink, findings } = await openSides(settings.relay, { signal, opened });
  const both = source && sink && { ...source, ...sink };
  const asked = [
    source ? await askAll(MONGODB_PROBES.filter(({ name }) => name === "collections"), source) : [],
    both ? await askAll(PROBES_OF_BOTH.filter(({ name }) => name === "tables"), both) : [],
  ];
  findings.push(...asked.flat().filter(({ level }) => level !== "ok"));
  const unusable = findings.flatMap(({ level, collection }) => level === "wrong" ? [collection] : []);
  const collections: CollectionPlan[] = [];
  for (const namespace of source?.collections ?? []) {
    signal.throwIfAborted();
    const collection = namespaceText(namespace);
    if (unusable.includes(collection)) continue;
    const deps = both ? settings : { ...settings, measure: 0, tables: "plan" } as const;
    const sides = both ?? { ...source as SourceSide, ...withoutTables(settings.relay) };
    try {
      collections.push(await planCollection(namespace, { ...deps, ...sides, signal }));
    } catch (error) {
      const isOfTable = isUnusableTable(error);
      if (!isOfTable && !isNotAllowed(error) && !(error instanceof UserError)) throw error;
      findings.push({ probe: isOfTable ? "tables" : "documents", ...failed(error, collection) });
    }
  }
  signal.throwIfAborted();
  const documents = collections.reduce((sum, each) => sum + each.documents, 0);
  const rates = collections.flatMap(({ measured }) => measured?.rowsPerSecond ?? []);
  const rowsPerSecond = rates.length > 0 ? Math.min(...rates) : RATE;
  const snapshotSeconds = documents / rowsPerSecond;
  const oldest = source && await oldestEntry(source.route).catch(() => undefined);
  const oplogSeconds = oldest ? (source.mongodbClock.now() - oldest.time) / 1_000 : null;
  if (oldest?.isFirst === false && snapshotSeconds > Number(oplogSeconds)) {
    const text = "The snapshot takes longer than the oplog reaches back: its relay would have to begin again";
    findings.push({ probe: "oplog", ...warning(text, "Enlarge the oplog first; check prints the command.") });
  }
  const shards = both && !both.transport.dialect.isJsonb && await shardsOf(both) || null;
  return {
    findings,
    collections,
    shards: shards && shards.planned,
    rowsPerSecond,
    snapshotSeconds,
    oplogSeconds,
  };
}

/** Stands for a CrateDB that cannot be reached. */
const withoutTables = (settings: RelaySettings): SinkSide => ({
  settings,
  clock,
  names: settings.namesIn(settings.sink.schema),
  transport: {
    dialect: CRATEDB,
    query: () => Promise.resolve({ count: 0, rows: [] }),
    async [Symbol.asyncDispose]() {},
  },
});

async function planCollection(
  namespace: Namespace,
  deps: PlanSettings & SourceSide & SinkSide & { readonly signal: AbortSignal },
) {
  const { causalReader, sizes, transport, relay, signal } = deps;
  const ofCollection = relay.for(namespace);
  const reader = new DocumentReader(causalReader, { for: relay.for, size: 1 });
  await checkTransforms([namespace], { reader, settings: { for: relay.for, scope: relay.scope } });
  const table = tableOf(namespace, deps);
  const existing = await usableTable(transport, table, ofCollection);
  const exists = existing !== undefined;
  const count = await estimatedCount(causalReader, [namespace]);
  const average = await averageBytes(namespace, causalReader) ?? 0;
  const size = sampleSize(average, deps.sample);
  const { shards = exists ? undefined : await shardsFor(transport, () => sizes.ahead(namespace)) } =
    ofCollection;
  const settings = { ...ofCollection, shards };
  const sampling = { size, stages: settings.transform, onRefused: () => {} };
  const sample = (await sampleOf(causalReader, namespace, sampling)).map(({ document }) => document);
  const lengths = sample.map(({ length }) => length);
  const missing = existing ? missingColumns(table, existing.definition, settings) : [];
  const { plan, rows } = await planTable(sample, transport, { table, settings, exists, missing });
  const { definition } = plan;
  const measuring = { limits: relay, schema: table.schema, definition, rows: deps.measure, signal };
  const measured = deps.measure > 0 && rows.length > 0 ? await measure(rows, transport, measuring) : null;
  if (!exists && deps.tables === "create") {
    await createTable(transport, table, definition).catch((error) => {
      throw errorOfOpening(error, { hasRows: false });
    });
  }
  return {
    collection: namespaceText(namespace),
    table: quoteTable(table),
    exists,
    // A filter selects the same share of all documents as of the sample.
    documents: Math.round(count * Math.min(1, sample.length / Math.max(1, Math.min(size, count)))),
    sampled: sample.length,
    // Without the fields that are omitted.
    averageBytes: Math.round(lengths.reduce((sum, each) => sum + each, 0) / Math.max(1, lengths.length)),
    largestBytes: Math.max(0, ...lengths),
    suggestions: [
      ...existing ? rebuildsOf(namespace, { ...existing, missing }, ofCollection) : [],
      ...suggestionsOf(namespace, await knownOf(namespace, causalReader), sample, settings),
    ],
    measured,
    ...plan,
  };
}
