/** What the commands are told, checked and frozen; nothing below reads the environment. */
import type { Document } from "mongodb";
import { UsageError } from "./errors.ts";
import type { LoggerOptions } from "./ops/log.ts";
import {
  type Environment,
  type Flags,
  LOGGING,
  type Operation,
  type Option,
  OPTIONS,
  parseMix,
  type Value,
  valueOf,
} from "./options.ts";
import { tableFor, type TableName, tableName } from "./sink/names.ts";
import type { Columns } from "./sink/table.ts";
import { parseSinkUrl, type SinkAddress } from "./sink/url.ts";
import type { FullDocument } from "./source/change_stream.ts";
import { type Namespace, Scope } from "./source/scope.ts";
import { parsePaths, shapeStages } from "./source/shape.ts";

/** Times are in milliseconds, sizes in bytes. */
export interface RelayConfig {
  readonly mongodbUrl: string;
  readonly scope: Scope;
  /** Stages that documents go through; empty where they are taken as they are. */
  readonly shape: readonly Document[];
  readonly sink: SinkAddress;
  /** Names of tables, where those that name no schema are in this one. */
  readonly namesIn: (schema: string) => Names;
  readonly columns: Columns;
  readonly widen: "on" | "off";
  readonly widenRows: number;
  readonly onDrop: "keep" | "truncate" | "drop";
  readonly snapshot: "initial" | "never" | "always" | "only";
  readonly onHistoryLost: "recopy" | "fail";
  readonly fullDocument: FullDocument;
  readonly batchSize: number;
  readonly batchBytes: number;
  readonly statementRows: number;
  readonly statementBytes: number;
  readonly inFlight: number;
  readonly refreshInterval: number;
  readonly saveInterval: number;
  readonly lease: number;
  readonly retryFor: number;
}

export interface Names {
  /** The table of a collection, with `{database}` and `{collection}` in it. */
  readonly tableOf: (namespace: Namespace) => TableName;
  /** What names the relay's stream. */
  readonly stream: string;
  /** Where the relay's own tables are. */
  readonly ownSchema: string;
}

export interface WorkloadConfig {
  readonly mongodbUrl: string;
  readonly database: string;
  readonly collection: string;
  readonly count: number;
  /** Operations a second; 0 for no limit. */
  readonly rate: number;
  /** Weight of each operation. */
  readonly mix: Readonly<Record<Operation, number>>;
  readonly seed: number;
}

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
export function relayConfig(given: Given): RelayConfig {
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
  const shape = shapeStages({
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
      ownSchema: template && !template.schema.includes("{") ? template.schema : schema,
    };
  };
  return Object.freeze({ ...rest as unknown as Omit<RelayConfig, Derived>, scope, shape, sink, namesIn });
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
export function workloadConfig(given: Given): WorkloadConfig {
  const { mix, ...rest } = read(OPTIONS["db-workload"], given);
  return Object.freeze({ ...rest, mix: parseMix(String(mix)) }) as WorkloadConfig;
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
