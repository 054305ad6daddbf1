/** What the commands are told, checked and frozen; nothing below reads the environment. */
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
import { type TableName, tableName } from "./sink/names.ts";
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
