/** What the commands are told, checked and frozen; nothing below reads the environment. */
import { UsageError } from "./errors.ts";
import type { LoggerOptions } from "./ops/log.ts";
import {
  type Environment,
  type Flags,
  LOGGING,
  type Option,
  OPTIONS,
  type Value,
  valueOf,
} from "./options.ts";
import type { TableName } from "./sink/names.ts";
import { parseSinkUrl, type SinkAddress } from "./sink/url.ts";

export interface MongodbConfig {
  readonly mongodbUrl: string;
  readonly database: string;
  readonly collection: string;
}

/** Times are in milliseconds, sizes in bytes. */
export interface RelayConfig extends MongodbConfig {
  readonly sink: SinkAddress;
  readonly table: TableName;
  readonly onDrop: "keep" | "truncate";
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

export type Operation = "insert" | "update" | "replace" | "delete";

export interface WorkloadConfig extends MongodbConfig {
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
 * IN: {flags: {table: "weather.readings"}, env: {}}
 * OUT: {table: {schema: "weather", name: "readings"}, batchSize: 10000, sink: {…localhost:4200}, …}
 *
 * @throws UsageError
 */
export function relayConfig(given: Given): RelayConfig {
  const { cratedbUrl, table, ...rest } = read(OPTIONS["cdc-relay"], given);
  const sink = parseSinkUrl(String(cratedbUrl));
  return Object.freeze({ ...rest, sink, table: tableName(String(table), sink.schema) }) as RelayConfig;
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

/**
 * @example
 * IN: weather.readings → OUT: {schema: "weather", name: "readings"}
 * IN: "a.b" (with the quotes) → OUT: {schema: <default>, name: "a.b"}
 */
export function tableName(text: string, schema: string): TableName {
  const parts = [...text.matchAll(/(?:^|\.)(?:"((?:[^"]|"")+)"|([^".]+))/g)];
  const names = parts.map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? "");
  const [first = "", second] = names;
  if (parts.map(([part]) => part).join("") !== text || names.length > 2) {
    throw new UsageError(`--table is not a table name: current value is ${JSON.stringify(text)}`, {
      hint: 'Write TABLE or SCHEMA.TABLE; a name with a dot in it goes in double quotes: "a.b"',
    });
  }
  return Object.freeze(second === undefined ? { schema, name: first } : { schema: first, name: second });
}

const OPERATIONS: readonly Operation[] = ["insert", "update", "replace", "delete"];

/**
 * @example
 * IN: insert=70,delete=30 → OUT: {insert: 70, update: 0, replace: 0, delete: 30}
 */
export function parseMix(text: string): Readonly<Record<Operation, number>> {
  const mix = { insert: 0, update: 0, replace: 0, delete: 0 };
  for (const part of text.split(",")) {
    const [, operation, weight] = /^\s*(\w+)=(\d+(?:\.\d+)?)\s*$/.exec(part) ?? [];
    if (!OPERATIONS.includes(operation as Operation) || weight === undefined) {
      throw new UsageError(
        `--mix cannot be understood at ${JSON.stringify(part)}: current value is ${JSON.stringify(text)}`,
        {
          hint: `Weights of ${OPERATIONS.join(", ")}, e.g. insert=70,update=20,replace=5,delete=5`,
        },
      );
    }
    mix[operation as Operation] = Number(weight);
  }
  if (mix.insert === 0) {
    throw new UsageError(
      `--mix has no insert, so there would be nothing to change: current value is ${JSON.stringify(text)}`,
    );
  }
  return Object.freeze(mix);
}
