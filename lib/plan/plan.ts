/** `plan`: the tables of a stream, what will not fit in them, and how long the snapshot will take. */
import { checkName } from "../pipeline/collections/collection_opener.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import { failed, type Finding } from "../pipeline/status/finding.ts";
import { shardsOf } from "../relay/probes/cratedb_probes.ts";
import { type SinkSide, type SourceSide, tableOf } from "../relay/probes/probe.ts";
import { CRATEDB } from "../sink/sql/dialect.ts";
import { quoteTable } from "../sink/sql/names.ts";
import { createTable } from "../sink/table/create_table.ts";
import { missingColumns } from "../sink/table/designed_columns.ts";
import { shardsFor } from "../sink/table/shards.ts";
import { existingTable } from "../sink/table/target_table.ts";
import { isUnusableTable } from "../sink/table/unusable_table.ts";
import { isNotAllowed } from "../source/connection/mongodb_errors.ts";
import { estimatedCount } from "../source/documents/collections.ts";
import { averageBytes, sampleOf, sampleSize } from "../source/documents/sample.ts";
import { oldestEntry } from "../source/stream/oplog.ts";
import { SYSTEM_CLOCK as clock } from "../util/clock.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { openSides } from "./check.ts";
import { measure, type Measured } from "./measure.ts";
import { knownOf, suggestionsOf } from "./suggestions.ts";
import { planTable, type TablePlan } from "./table_plan.ts";

export interface PlanSettings {
  readonly relay: RelaySettings;
  /** Documents to read of each collection at most. */
  readonly sample: number;
  /** Rows to write to a scratch table; 0 for none. */
  readonly measure: number;
  readonly tables: "plan" | "create";
}

export interface CollectionPlan extends TablePlan {
  readonly collection: string;
  readonly table: string;
  readonly exists: boolean;
  readonly documents: number;
  readonly sampled: number;
  /** The sizes of documents; the largest is of the sample. */
  readonly averageBytes: number;
  readonly largestBytes: number;
  /** Lines of YAML that MongoDB's indexes and its validator suggest. Nothing of it is applied. */
  readonly suggestions: readonly string[];
  readonly measured: Measured | null;
}

export interface StreamPlan {
  readonly findings: readonly Finding[];
  readonly collections: readonly CollectionPlan[];
  /** Shards to create, with replicas; null if unknown. */
  readonly shards: number | null;
  readonly rowsPerSecond: number;
  readonly snapshotSeconds: number;
  /** How far the oplog reaches back; null if unknown. */
  readonly oplogSeconds: number | null;
}

/** Rows that a snapshot writes per second, unless it is measured. */
const RATE = 20_000;

/** Plans the tables of all collections that can be read. Creates them if that is asked for. */
export async function plan(
  settings: PlanSettings,
  { signal }: { readonly signal: AbortSignal },
): Promise<StreamPlan> {
  await using opened = new AsyncDisposableStack();
  const { source, sink, findings } = await openSides(settings.relay, { signal, opened });
  const collections: CollectionPlan[] = [];
  for (const namespace of source?.collections ?? []) {
    signal.throwIfAborted();
    const deps = { ...settings, ...source as SourceSide, ...sink ?? emptySink(settings.relay), signal };
    try {
      collections.push(await planCollection(namespace, deps));
    } catch (error) {
      if (!isNotAllowed(error) && !isUnusableTable(error)) throw error;
      const probe = isNotAllowed(error) ? "documents" : "tables";
      findings.push({ probe, ...failed(error, namespaceText(namespace)) });
    }
  }
  const documents = collections.reduce((sum, each) => sum + each.documents, 0);
  const rates = collections.flatMap(({ measured }) => measured?.rowsPerSecond ?? []);
  const rowsPerSecond = rates.length > 0 ? Math.min(...rates) : RATE;
  const oldest = source && await oldestEntry(source.route).catch(() => undefined);
  return {
    findings,
    collections,
    shards: source && sink && !sink.transport.dialect.isJsonb
      ? (await shardsOf({ ...source, ...sink })).planned
      : null,
    rowsPerSecond,
    snapshotSeconds: documents / rowsPerSecond,
    oplogSeconds: oldest ? (clock.now() - oldest.time) / 1_000 : null,
  };
}

/** Stands for a CrateDB that cannot be reached: it has no tables, and gets none. */
const emptySink = (settings: RelaySettings): SinkSide & Pick<PlanSettings, "measure" | "tables"> => ({
  measure: 0,
  tables: "plan",
  settings,
  clock,
  names: settings.namesIn(settings.sink.schema),
  transport: {
    dialect: CRATEDB,
    query: () => Promise.resolve({ count: 0, rows: [] }),
    async [Symbol.asyncDispose]() {},
  },
});

type PlanDeps = PlanSettings & SourceSide & SinkSide & { readonly signal: AbortSignal };

async function planCollection(namespace: Namespace, deps: PlanDeps): Promise<CollectionPlan> {
  const { causalReader, transport, relay, signal } = deps;
  const ofCollection = relay.for(namespace);
  const table = tableOf(namespace, deps);
  checkName(table, namespace);
  const existing = await existingTable(transport, table, ofCollection);
  const exists = existing !== undefined;
  const count = await estimatedCount(causalReader, [namespace]);
  const average = await averageBytes(namespace, causalReader) ?? 0;
  const size = sampleSize(average, deps.sample);
  const { shards = exists ? undefined : await shardsFor(transport, average * count) } = ofCollection;
  const settings = { ...ofCollection, shards };
  const options = { size, stages: settings.transform, onRefused: () => {} };
  const sample = (await sampleOf(causalReader, namespace, options)).map(({ document }) => document);
  const missing = existing ? missingColumns(table, existing.definition, settings) : [];
  const { plan, rows } = await planTable(sample, transport, { table, settings, exists, missing });
  const measuring = {
    limits: relay,
    schema: table.schema,
    definition: plan.definition,
    rows: deps.measure,
    signal,
  };
  const measured = deps.measure > 0 && rows.length > 0 ? await measure(rows, transport, measuring) : null;
  if (!exists && deps.tables === "create") await createTable(transport, table, plan.definition);
  return {
    collection: namespaceText(namespace),
    table: quoteTable(table),
    exists,
    // A filter selects the same share of all documents as of the sample.
    documents: Math.round(count * Math.min(1, sample.length / Math.max(1, Math.min(size, count)))),
    sampled: sample.length,
    averageBytes: average,
    largestBytes: Math.max(0, ...sample.map(({ length }) => length)),
    suggestions: suggestionsOf(namespace, await knownOf(namespace, causalReader), sample, settings),
    measured,
    ...plan,
  };
}
