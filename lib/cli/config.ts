/** What the commands are told, checked and frozen; nothing below reads the environment. */
import { UsageError } from "../util/errors.ts";
import type { LoggerOptions } from "../util/log.ts";
import {
  type Environment,
  type Flags,
  LOGGING,
  type Option,
  OPTIONS,
  type Value,
  valueOf,
} from "./options.ts";
import { parseMix } from "../workload/mix.ts";
import { tableFor } from "../sink/table/table_naming.ts";
import { type TableName, tableName } from "../sink/table/sql_names.ts";
import type { Names, RelaySettings } from "../pipeline/settings.ts";
import type { WorkloadSettings } from "../workload/workload.ts";
import { parseSinkUrl } from "../sink/connection/url.ts";
import { type Namespace } from "../namespace.ts";
import { Scope } from "../source/scope.ts";
import { parsePaths, transformStages } from "../source/transform.ts";

export interface Given {
  readonly flags: Flags;
  readonly env: Environment;
}

/**
 * @example
 * IN: {flags: {collection: "readings", table: "weather.readings"}, env: {}}
 * OUT: {scope: testdrive.readings, namesIn: () => {tableOf: () => weather.readings, …}, batchSize: 10000, sink: {…localhost:4200}, …}
 *
 * @throws UsageError
 */
export function relayConfig(given: Given): RelaySettings {
  const { cratedbUrl, table, database, collection, exclude, filter, only, omit, pipeline, ...rest } = read(
    OPTIONS["cdc-relay"],
    given,
  );
  const sink = parseSinkUrl(String(cratedbUrl));
  const scope = new Scope({
    databases: listOf(database, collection === "" ? "*" : ORIGINAL.database),
    collections: listOf(collection, "*"),
    exclude: listOf(exclude, ""),
  });
  const shape = transformStages({
    filter: String(filter),
    only: parsePaths(String(only)),
    omit: parsePaths(String(omit)),
    pipeline: String(pipeline),
  });
  if (shape.length > 0) checkFullDocument(String(rest.fullDocument));
  if (table !== "") checkTemplate(tableName(String(table), sink.schema), scope);
  const namesIn = (schema: string): Names => {
    const template = table === "" ? undefined : tableName(String(table), schema);
    return {
      tableOf: (namespace) => template ?? defaultTable(namespace, schema),
      stream: `${scope} -> ${streamTarget(template, { scope, schema })}`,
      metadataSchema: template && !template.schema.includes("{") ? template.schema : schema,
    };
  };
  return Object.freeze({ ...rest as unknown as Omit<RelaySettings, Derived>, scope, shape, sink, namesIn });
}

/** What no option gives as it is. */
type Derived = "scope" | "shape" | "sink" | "namesIn";

/** The table of each other collection. */
const EACH: TableName = { schema: "{database}", name: "{collection}" };

/** The collection that the example of the same name follows, and its table. */
const ORIGINAL = { database: "testdrive", collection: "data", table: "cdc-testdrive" } as const;

const listOf = (value: Value | undefined, fallback: string): string[] =>
  (String(value) || fallback).split(",").filter(Boolean);

function defaultTable({ database, collection }: Namespace, schema: string): TableName {
  return database === ORIGINAL.database && collection === ORIGINAL.collection
    ? { schema, name: ORIGINAL.table }
    : EACH;
}

function streamTarget(
  template: TableName | undefined,
  { scope, schema }: { scope: Scope; schema: string },
): string {
  const { database, collection } = scope.only;
  const single = database !== undefined && collection !== undefined ? { database, collection } : undefined;
  const target = template ??
    (single ? defaultTable(single, schema) : EACH);
  const { schema: schemaName, name } = single ? tableFor(target, single) : target;
  return `${schemaName}.${name}`;
}

/** @throws UsageError for one that would not be heeded, since shaped documents are looked up */
function checkFullDocument(fullDocument: string): void {
  if (fullDocument === "updateLookup") return;
  throw new UsageError(
    `--full-document ${fullDocument} does not go with --filter, --only, --omit and --pipeline`,
    {
      hint:
        "MongoDB applies these to documents as they are now, not to post-images. Leave one or the other out.",
    },
  );
}

/** @throws UsageError when several collections would land in one table */
function checkTemplate(template: TableName, scope: Scope): void {
  const text = `${template.schema}.${template.name}`;
  const wanted =
    { collection: [], database: ["collection"], deployment: ["database", "collection"] }[scope.level];
  const missing = wanted.find((name) => !text.includes(`{${name}}`));
  if (missing === undefined) return;
  throw new UsageError(`--table ${text} would be the table of several collections: ${scope}`, {
    hint:
      `Put {${missing}} into it, e.g. --table '{database}.{collection}', or name one collection with --database and --collection.`,
  });
}

/** @throws UsageError */
export function workloadConfig(given: Given): WorkloadSettings {
  const { mix, ...rest } = read(OPTIONS["db-workload"], given);
  return Object.freeze({ ...rest, mix: parseMix(String(mix)) }) as WorkloadSettings;
}

/** @throws UsageError */
export const logOptions = (given: Given): LoggerOptions => {
  const { logFormat, logLevel } = read(LOGGING, given);
  return { format: logFormat, level: logLevel } as LoggerOptions;
};

const read = (options: readonly Option[], given: Given): Record<string, Value> =>
  Object.fromEntries(options.map((option) => [camelCase(option.flag), valueOf(option, given)]));

const camelCase = (flag: string): string =>
  flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
