/** `plan`: the tables of a stream, what will not fit in them, and how long the snapshot will take. */
import { checkTransforms } from "../pipeline/loop/startup.ts";
import { checkName } from "../pipeline/collections/collection_opener.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import { failed, type Finding, warning } from "../pipeline/status/finding.ts";
import { shardsOf } from "../relay/probes/cratedb_probes.ts";
import { MONGODB_PROBES } from "../relay/probes/mongodb_probes.ts";
import { askAll, type SinkSide, type SourceSide, tableOf } from "../relay/probes/probe.ts";
import { CRATEDB } from "../sink/sql/dialect.ts";
import { quoteName, quoteTable, subscript } from "../sink/sql/names.ts";
import { createTable } from "../sink/table/create_table.ts";
import { existingTable } from "../sink/table/target_table.ts";
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
import { measure, type Measured } from "./measure.ts";
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
  /** What MongoDB's indexes suggest. Nothing of it is applied. */
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
  const inScope = MONGODB_PROBES.filter(({ name }) => name === "collections");
  if (source) findings.push(...(await askAll(inScope, source)).filter(({ level }) => level !== "ok"));
  const collections: CollectionPlan[] = [];
  for (const namespace of source?.collections ?? []) {
    signal.throwIfAborted();
    const deps = {
      ...settings,
      ...source as SourceSide,
      ...sink ?? noSink(settings.relay),
      signal,
      findings,
    };
    try {
      collections.push(await planCollection(namespace, deps));
    } catch (error) {
      const isOfTable = isUnusableTable(error);
      if (!isOfTable && !isNotAllowed(error) && !(error instanceof UserError)) throw error;
      findings.push({
        probe: isOfTable ? "tables" : "documents",
        ...failed(error, namespaceText(namespace)),
      });
    }
  }
  const documents = collections.reduce((sum, each) => sum + each.documents, 0);
  const rowsPerSecond = Math.min(...collections.flatMap(({ measured }) => measured?.rowsPerSecond ?? []));
  const rate = Number.isFinite(rowsPerSecond) ? rowsPerSecond : RATE;
  const snapshotSeconds = documents / rate;
  const oldest = source && await oldestEntry(source.route).catch(() => undefined);
  const oplogSeconds = oldest ? (source.mongodbClock.now() - oldest.time) / 1_000 : null;
  if (oldest?.isFirst === false && snapshotSeconds > Number(oplogSeconds)) {
    const text = "The snapshot takes longer than the oplog reaches back: its relay would have to begin again";
    findings.push({ probe: "oplog", ...warning(text, "Enlarge the oplog first; check prints the command.") });
  }
  const shards = source && sink && !sink.transport.dialect.isJsonb && await shardsOf({ ...source, ...sink });
  const planned = shards ? shards.planned : null;
  return { findings, collections, shards: planned, rowsPerSecond: rate, snapshotSeconds, oplogSeconds };
}

/** Stands for a CrateDB that cannot be reached: it has no tables, and gets none. */
const noSink = (settings: RelaySettings): SinkSide & Pick<PlanSettings, "measure" | "tables"> => ({
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

type PlanDeps = PlanSettings & SourceSide & SinkSide & {
  readonly signal: AbortSignal;
  readonly findings: Finding[];
};

async function planCollection(namespace: Namespace, deps: PlanDeps): Promise<CollectionPlan> {
  const { causalReader, transport, relay, signal, findings } = deps;
  const settings = relay.for(namespace);
  const collection = namespaceText(namespace);
  const reader = new DocumentReader(causalReader, { for: relay.for, size: 1 });
  await checkTransforms([namespace], { reader, settings: relay });
  const table = tableOf(namespace, deps);
  checkName(table, namespace);
  const exists = await existingTable(transport, table) !== undefined;
  const count = await estimatedCount(causalReader, [namespace]);
  const average = await averageBytes(namespace, causalReader) ?? 0;
  const size = sampleSize(average, deps.sample);
  const onRefused = ({ message }: Error) =>
    void findings.push({
      probe: "documents",
      ...warning(`MongoDB refuses a sample: ${message}`, ""),
      collection,
    });
  const found = await sampleOf(causalReader, namespace, { size, stages: settings.transform, onRefused });
  const sample = found.map(({ document }) => document);
  const { plan, rows } = await planTable(sample, transport, { table, settings, exists });
  const { definition } = plan;
  const { schema } = table;
  const measuring = { limits: relay, schema, definition, rows: deps.measure, signal };
  const measured = deps.measure > 0 && rows.length > 0 ? await measure(rows, transport, measuring) : null;
  if (!exists && deps.tables === "create") {
    await createTable(transport, table, definition).catch((error) => {
      throw errorOfOpening(error, { hasRows: false });
    });
  }
  return {
    collection,
    table: quoteTable(table),
    exists,
    // A filter selects the same share of all documents as of the sample.
    documents: Math.round(count * Math.min(1, sample.length / Math.max(1, Math.min(size, count)))),
    sampled: sample.length,
    averageBytes: average,
    largestBytes: Math.max(0, ...sample.map(({ length }) => length)),
    suggestions: await suggestionsOf(namespace, causalReader),
    measured,
    ...plan,
  };
}

/** What CrateDB has for the special indexes of MongoDB. */
async function suggestionsOf(
  { database, collection }: Namespace,
  reader: Pick<SourceSide["causalReader"], "read">,
): Promise<string[]> {
  const indexes = await reader.read((client, options) =>
    client.db(database).collection(collection).listIndexes(options).toArray()
  ).catch(() => []);
  const column = (path: string) => subscript(path.split("."));
  return indexes.flatMap(({ name, key, weights = {}, expireAfterSeconds: seconds }) => {
    const texts = Object.keys(weights).map(column).join(", ");
    const all = [
      ...Object.keys(key).filter((path) => key[path] === "2dsphere")
        .map((path) => `a column GEO_SHAPE GENERATED ALWAYS AS ${column(path)}`),
      ...texts ? [`INDEX ${quoteName(name)} USING FULLTEXT (${texts})`] : [],
      ...seconds === undefined
        ? []
        : [`partitions by ${Object.keys(key).map(column)}, dropped after ${seconds} s`],
    ];
    return all.map((each) => `For the index ${name}: ${each}`);
  });
}
