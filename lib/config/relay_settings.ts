/** The settings of a relay, from its options. */
import { streamOfPart, type StreamPart } from "../key/stream_name.ts";
import type { CollectionSettings, MemoryShares, Names, RelaySettings } from "../pipeline/settings.ts";
import { isFixed } from "../mapping/partition.ts";
import { withIndexed } from "../mapping/designed_types.ts";
import { tableFor, type TableName, tableName } from "../sink/sql/names.ts";
import type { TableDesign } from "../sink/table/table_design.ts";
import { Scope } from "../source/documents/scope.ts";
import { transformStages } from "../source/documents/transform.ts";
import { UsageError } from "../util/errors.ts";
import type { Namespace } from "../util/namespace.ts";
import { exampleOf, givenFor, isName, ruleIn } from "./collection_rules.ts";
import { type Given, readOptions } from "./read.ts";
import { COLLECTION, RELAY, STREAM } from "./relay_options.ts";
import { sinkAddress } from "./sink_address.ts";

interface RelayConfigOptions {
  /** Replaces what is given: `verify` compares the documents of all workers. */
  readonly worker?: undefined;
  /** Makes the settings of a rule; those without any are left out. @default {throws} */
  readonly attempt?: <Result>(pattern: string, make: () => Result) => Result | undefined;
}

/**
 * @throws UsageError for settings that exclude each other
 * @example
 * IN: {flags: {collection: "readings", table: "weather.readings"}}
 * OUT: {scope: testdrive.readings, namesIn: () => {tableOf: () => weather.readings, …}, batchSize: 10000, …}
 */
export function relayConfig(
  given: Given,
  { attempt = (_pattern, make) => make(), ...fixed }: RelayConfigOptions = {},
): RelaySettings {
  const options = readOptions(RELAY, given);
  const { batchBytes, statementBytes, ...stream } = { ...readOptions(STREAM, given), ...fixed };
  if (stream.startAt !== undefined && stream.snapshot !== "never") {
    throw new UsageError(`--start-at cannot be given with --snapshot ${stream.snapshot}`, {
      hint:
        "Documents older than that time would be copied anyway. Add --snapshot never, or remove --start-at.",
    });
  }
  const { database, collection, exclude } = options;
  const sink = sinkAddress(given);
  const scope = new Scope({
    databases: database.length > 0 ? database : [EXAMPLE.database],
    collections: collection.length > 0 ? collection : [database.length > 0 ? "*" : EXAMPLE.collection],
    exclude,
  });
  const { schema } = sink;
  const whole = collectionConfig(given, { scope, schema });
  const rules = (given.collections ?? []).flatMap((rule) => {
    const { pattern } = rule;
    const made = attempt(pattern, () => collectionConfig(givenFor(given, rule), { scope, schema, pattern }));
    return made ? [{ pattern, ...made }] : [];
  });
  const ruleOf = ruleIn(rules);
  const of = (namespace: Namespace) => ruleOf(namespace) ?? whole;
  const shares = memoryShares(options.maxMemory);
  return Object.freeze({
    ...stream,
    ...shares,
    sink,
    scope,
    examples: rules.map(({ pattern }) => exampleOf(pattern, scope.patterns.databases[0] ?? "")),
    mongodbUrl: options.mongodbUrl,
    batchBytes: batchBytes ?? shares.batchBytes,
    statementBytes: statementBytes ?? shares.statementBytes,
    for: (namespace: Namespace): CollectionSettings => of(namespace).settings,
    namesIn: (schema: string): Names => ({
      tableOf: (namespace) => tableOf(of(namespace).template, namespace, schema),
      ...namesOf(isOne(scope.only) ? of(scope.only).template : whole.template, scope, stream.worker, schema),
    }),
  });
}

interface Shared {
  readonly scope: Scope;
  /** That of a table without one. */
  readonly schema: string;
  /** The collections of the scope that have these settings. @default {all} */
  readonly pattern?: string;
}

/** The settings of collections, and the template of their tables. */
function collectionConfig(given: Given, shared: Shared) {
  const { filter, only, pipeline, table: template, ...options } = readOptions(COLLECTION, given);
  const settings = { ...options, types: typesOf(options) };
  const transform = transformStages({ filter, only, omit: settings.omit, pipeline });
  checkTransform(settings, transform.length > 0);
  checkRetention(settings);
  if (!pipeline) checkPartitioned(settings, only);
  if (template !== undefined) checkTemplate(tableName(template, shared.schema), shared);
  return { template, settings: Object.freeze({ ...settings, transform }) };
}

/** The types with the columns of the full-text indexes; undefined for none. @throws UsageError */
function typesOf(
  { types = {}, fulltext = [], columns }: Pick<TableDesign, "types" | "fulltext" | "columns">,
) {
  const all = withIndexed(types, fulltext);
  if (columns === "ignored" && all.data) {
    throw new UsageError("--types and --fulltext cannot be given with --columns ignored", {
      hint:
        "An OBJECT(IGNORED) has no columns. Remove one or the other; geo and vector need no column in data.",
    });
  }
  return Object.keys(all).length === 0 ? undefined : all;
}

/** The collection that the example of the same name follows, and its table. */
const EXAMPLE = { database: "testdrive", collection: "data", table: "cdc-testdrive" } as const;

/** The table of each other collection. */
const EACH: TableName = { schema: "{database}", name: "{collection}" };

/** The table of a collection, or of several, with placeholders. */
function tableOf(template: string | undefined, namespace: Partial<Namespace>, schema: string): TableName {
  if (template !== undefined) return tableName(template, schema);
  const isExample = namespace.database === EXAMPLE.database && namespace.collection === EXAMPLE.collection;
  return isExample ? { schema, name: EXAMPLE.table } : EACH;
}

const isOne = (only: Partial<Namespace>): only is Namespace =>
  only.database !== undefined && only.collection !== undefined;

function namesOf(
  template: string | undefined,
  scope: Scope,
  worker: StreamPart | undefined,
  schema: string,
): Omit<Names, "tableOf"> {
  const table = tableOf(template, scope.only, schema);
  const named = isOne(scope.only) ? tableFor(table, scope.only) : table;
  return {
    stream: streamOfPart(`${scope} -> ${named.schema}.${named.name}`, worker),
    metadataSchema: table.schema.includes("{") ? schema : table.schema,
  };
}

/** @throws UsageError for options that a transform excludes */
function checkTransform(
  { key, omit, fullDocument }: Pick<CollectionSettings, "key" | "omit" | "fullDocument">,
  hasTransform: boolean,
): void {
  const others = "--filter, --only, --omit or --pipeline";
  if (hasTransform && fullDocument !== "lookup" && fullDocument !== "updateLookup") {
    const hint = "MongoDB applies these to current documents, not to post-images. Remove one or the other.";
    throw new UsageError(`--full-document ${fullDocument} cannot be given with ${others}`, { hint });
  }
  if (key === "documentKey" && (hasTransform || omit.length > 0)) {
    const hint = "They could remove the fields of the key. Remove one or the other.";
    throw new UsageError(`--key documentKey cannot be given with ${others}`, { hint });
  }
}

/** @throws UsageError for a retention without partitions by a time */
function checkRetention({ keep, partitionBy }: Pick<CollectionSettings, "keep" | "partitionBy">): void {
  if (!keep || partitionBy && partitionBy.unit !== "value") return;
  const hint = "Add --partition-by with a time, such as month=$id, or remove --keep.";
  throw new UsageError("--keep drops partitions, and the table has none by a time", { hint });
}

/** @throws UsageError if documents lose the field that decides their partition */
function checkPartitioned(
  { partitionBy, omit }: Pick<CollectionSettings, "partitionBy" | "omit">,
  only: readonly string[],
): void {
  if (!partitionBy || isFixed(partitionBy)) return;
  const path = partitionBy.path.join(".");
  const isIn = (paths: readonly string[]) => paths.some((each) => `${path}.`.startsWith(`${each}.`));
  if (!isIn(omit) && (only.length === 0 || isIn(only))) return;
  const hint = "All rows would be in one partition. Keep the field, or partition by another one.";
  throw new UsageError(`--partition-by needs ${path}, which --omit or --only removes`, { hint });
}

/** Text in braces that is not a placeholder. */
const UNKNOWN_PLACEHOLDER = /\{(?!(?:database|collection)\})[^{}]*\}/;

/** The placeholders without which several collections would share a table. */
function neededBy({ scope: { level }, pattern }: Shared): readonly string[] {
  const several = pattern === undefined ? level !== "collection" : !isName(pattern);
  const databases = level === "deployment" && !pattern?.includes(".");
  return [...databases ? ["database"] : [], ...several ? ["collection"] : []];
}

/** @throws UsageError for an unknown placeholder, or if several collections would share one table */
function checkTemplate(template: TableName, shared: Shared): void {
  const text = `${template.schema}.${template.name}`;
  const [unknown] = UNKNOWN_PLACEHOLDER.exec(text) ?? [];
  if (unknown !== undefined) {
    const hint = "Use {database} and {collection}, e.g. --table '{database}.{collection}'";
    throw new UsageError(`--table ${text} has an unknown placeholder: ${unknown}`, { hint });
  }
  const missing = neededBy(shared).find((each) => !text.includes(`{${each}}`));
  if (missing === undefined) return;
  const { scope, pattern = `${scope}` } = shared;
  throw new UsageError(`--table ${text} would be the table of several collections: ${pattern}`, {
    hint: `Add {${missing}} to it, e.g. --table '{database}.{collection}', or name one collection with ` +
      "--database and --collection.",
  });
}

/**
 * Divides the memory for data in transit among its forms, in bytes.
 *
 * @example IN: 256 MiB → OUT: replies of 4 MiB, batches of 8 MiB, statements of 2 MiB, 8 MiB in flight, a heap of 160 MiB
 */
const memoryShares = (maxMemory: number): MemoryShares => ({
  replyBytes: Math.floor(maxMemory / 64),
  batchBytes: Math.floor(maxMemory / 32),
  statementBytes: Math.floor(maxMemory / 128),
  inFlightBytes: Math.floor(maxMemory / 32),
  heapBytes: Math.floor(maxMemory * 5 / 8),
});
