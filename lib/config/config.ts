/** What the commands are told, checked and frozen; nothing below reads the environment. */
import type { DemoSettings, NamedServer } from "../../dev/demo/settings.ts";
import { streamOfWorker, type Worker } from "../key/worker.ts";
import type { Namespace } from "../util/namespace.ts";
import { memoryShares } from "./memory_shares.ts";
import type { CollectionSettings, Names, RelaySettings } from "../pipeline/settings.ts";
import { tableFor, type TableName, tableName } from "../sink/sql/names.ts";
import { Scope } from "../source/documents/scope.ts";
import { transformStages } from "../source/documents/transform.ts";
import type { StatusSettings } from "../status/status.ts";
import type { WaitSettings } from "../status/wait.ts";
import { UsageError } from "../util/errors.ts";
import type { LoggerOptions } from "../util/log.ts";
import type { VerifySettings } from "../verify/verify.ts";
import type { WorkloadSettings } from "../workload/workload.ts";
import { FORGET } from "./options/forget.ts";
import { LOGGING } from "./options/logging.ts";
import type { Option, Values } from "./options/option.ts";
import { OPTIONS } from "./options/options.ts";
import { type Given, readOptions, sourceOf } from "./options/read.ts";
import { STATUS, STREAM, WAIT } from "./options/status.ts";
import { VERIFY } from "./options/verify.ts";
import type { RunForgetSettings } from "../cli/run_forget.ts";
import { takeSink } from "./take_sink.ts";

/**
 * @example
 * IN: {flags: {collection: "readings", table: "weather.readings"}, env: {}}
 * OUT: {scope: testdrive.readings, namesIn: () => {tableOf: () => weather.readings, …}, batchSize: 10000, …}
 *
 * @throws UsageError
 */
export function relayConfig(given: Given): RelaySettings {
  return relaySettings(readOptions(OPTIONS["cdc-relay"], given), given);
}

function relaySettings(options: Values<typeof OPTIONS["cdc-relay"]>, given: Given): RelaySettings {
  const [sink, {
    table,
    database,
    collection,
    exclude,
    filter,
    only,
    omit,
    pipeline,
    maxMemory,
    batchBytes,
    statementBytes,
    ...rest
  }] = takeSink(options, given);
  const scope = new Scope({
    databases: database.length > 0 ? database : [EXAMPLE.database],
    collections: collection.length > 0 ? collection : [database.length > 0 ? "*" : EXAMPLE.collection],
    exclude,
  });
  const transform = transformStages({ filter, only, omit, pipeline });
  if (transform.length > 0) checkFullDocument(rest.fullDocument);
  if (rest.key === "documentKey" && (transform.length > 0 || omit.length > 0)) throw keyInTransform();
  if (table !== "") checkTemplate(tableName(table, sink.schema), scope);
  const shares = memoryShares(maxMemory);
  const ofEach: CollectionSettings = Object.freeze({ ...rest, omit, transform });
  return Object.freeze({
    ...rest,
    ...shares,
    for: () => ofEach,
    batchBytes: batchBytes ?? shares.batchBytes,
    statementBytes: statementBytes ?? shares.statementBytes,
    sink,
    scope,
    omit,
    transform,
    namesIn: namesOf(table, scope, rest),
  });
}

/** The collection that the example of the same name follows, and its table. */
const EXAMPLE = { database: "testdrive", collection: "data", table: "cdc-testdrive" } as const;

/** The table of each other collection. */
const EACH: TableName = { schema: "{database}", name: "{collection}" };

const namesOf = (
  table: string,
  scope: Scope,
  { worker }: { readonly worker: Worker | undefined },
) =>
(schema: string): Names => {
  const template = table === "" ? undefined : tableName(table, schema);
  return {
    tableOf: (namespace) => template ?? defaultTable(namespace, schema),
    stream: streamOfWorker(`${scope} -> ${streamTarget(template, { scope, schema })}`, worker),
    metadataSchema: template && !template.schema.includes("{") ? template.schema : schema,
  };
};

function defaultTable({ database, collection }: Namespace, schema: string): TableName {
  return database === EXAMPLE.database && collection === EXAMPLE.collection
    ? { schema, name: EXAMPLE.table }
    : EACH;
}

function streamTarget(
  template: TableName | undefined,
  { scope, schema }: { scope: Scope; schema: string },
): string {
  const { database, collection } = scope.only;
  const single = database !== undefined && collection !== undefined ? { database, collection } : undefined;
  const target = template ?? (single ? defaultTable(single, schema) : EACH);
  const { schema: schemaName, name } = single ? tableFor(target, single) : target;
  return `${schemaName}.${name}`;
}

/** The shard key may be among what is left out. */
const keyInTransform = (): UsageError =>
  new UsageError("--key documentKey does not go with --filter, --only, --omit and --pipeline", {
    hint: "The rows are named by fields that these may take away. Leave one or the other out.",
  });

/** @throws UsageError: post-images are not used with a transform */
function checkFullDocument(fullDocument: RelaySettings["fullDocument"]): void {
  if (fullDocument === "lookup" || fullDocument === "updateLookup") return;
  throw new UsageError(
    `--full-document ${fullDocument} does not go with --filter, --only, --omit and --pipeline`,
    {
      hint:
        "MongoDB applies these to documents as they are now, not to post-images. Leave one or the other out.",
    },
  );
}

/** Anything in braces that is no placeholder. */
const UNKNOWN_PLACEHOLDER = /\{(?!(?:database|collection)\})[^{}]*\}/;

/** @throws UsageError for an unknown placeholder, and when several collections would be written to one table */
function checkTemplate(template: TableName, scope: Scope): void {
  const text = `${template.schema}.${template.name}`;
  const [unknown] = UNKNOWN_PLACEHOLDER.exec(text) ?? [];
  if (unknown !== undefined) {
    throw new UsageError(`--table ${text} has an unknown placeholder: ${unknown}`, {
      hint: "{database} and {collection} exist, e.g. --table '{database}.{collection}'",
    });
  }
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
export function statusConfig(given: Given): StatusSettings {
  const [sink, rest] = takeSink(readOptions(STATUS, given), given);
  return Object.freeze({ ...rest, sink, streamIn: streamOf(given) });
}

/** @throws UsageError */
export function waitConfig(given: Given): WaitSettings {
  const [sink, rest] = takeSink(readOptions(WAIT, given), given);
  return Object.freeze({ ...rest, sink, streamIn: streamOf(given) });
}

/** @throws UsageError */
export function forgetConfig(given: Given): RunForgetSettings {
  const [sink, rest] = takeSink(readOptions(FORGET, given), given);
  return Object.freeze({ ...rest, sink });
}

/** The stream that a relay with these options follows; undefined where none is given that names one. */
function streamOf(given: Given): ((schema: string) => string) | undefined {
  if (!STREAM.some((option) => sourceOf(option, given) !== undefined)) return undefined;
  const { namesIn } = relayConfig(given);
  return (schema) => namesIn(schema).stream;
}

/**
 * All workers are verified together, whatever the environment says of one.
 *
 * @throws UsageError
 */
export function verifyConfig(given: Given): VerifySettings {
  const options = readOptions(VERIFY, given);
  if (options.compare === "counts" && options.differences === "repair") {
    throw new UsageError("--compare counts cannot be given with --differences repair", {
      hint: "Counts do not show which rows differ. Leave --count-only out to repair them.",
    });
  }
  return Object.freeze({
    ...options,
    relay: relaySettings({ ...readOptions(OPTIONS["cdc-relay"], given), worker: undefined }, given),
  });
}

/** @throws UsageError */
export const workloadConfig = (given: Given): WorkloadSettings =>
  Object.freeze(readOptions(OPTIONS["db-workload"], given));

/** @throws UsageError */
export function demoConfig(given: Given): DemoSettings {
  const [mongodb, sink] = OPTIONS.demo;
  const { mongodbUrl, cratedbUrl, count, servers } = readOptions(OPTIONS.demo, given);
  const named = (option: Option, url: string): NamedServer => ({
    url,
    source: sourceOf(option, given) ?? "",
  });
  return Object.freeze({
    mongodb: named(mongodb, mongodbUrl),
    sink: named(sink, cratedbUrl),
    count,
    servers,
  });
}

/** @throws UsageError */
export function logOptions(
  given: Given,
  options: typeof LOGGING | typeof OPTIONS.demo = LOGGING,
): LoggerOptions {
  const { logFormat, logLevel } = readOptions(options as typeof LOGGING, given);
  return { format: logFormat, level: logLevel };
}
