/** The option table: the options of each command, and of each function of the library. */
import type { Inputs, OptionTable } from "./option.ts";
import {
  BATCHES,
  CRATEDB,
  FULL_DOCUMENT,
  LEASE,
  MAX_DEAD_LETTERS,
  MEMORY,
  MONGODB,
  MONITORING,
  ON_DROP,
  ON_HELD,
  RELAY,
  ROWS,
  SCOPE,
  SHARDS,
  SNAPSHOT,
  STATEMENTS,
  TABLE,
  TRANSFORM,
  WORKER,
} from "./relay_options.ts";

export const LOGGING = {
  logFormat: {
    type: "choice",
    choices: ["text", "json"],
    env: ["LOG_FORMAT"],
    default: "text",
    help: "Format of log lines on standard error",
  },
  logLevel: {
    type: "choice",
    choices: ["debug", "info", "warn", "error"],
    env: ["LOG_LEVEL"],
    default: "info",
    help: "Minimum log level",
    switches: { quiet: "warn", verbose: "debug" },
  },
} as const satisfies OptionTable;

/** The options of a relay that name its stream. */
export const STREAM_NAME: typeof SCOPE & typeof TABLE & typeof WORKER = { ...SCOPE, ...TABLE, ...WORKER };

const STREAM_DATABASE = {
  database: {
    type: "names",
    env: ["MONGODB_DATABASE"],
    help: "Databases of the stream, with * and ?; by default all streams",
    details:
      "'*' is all databases of the deployment. With other options of the stream alone, the default is testdrive.",
  },
} as const satisfies OptionTable;

/** The same for a command that reads all streams by default. */
const ANY_STREAM: Omit<typeof STREAM_NAME, "database"> & typeof STREAM_DATABASE = {
  ...STREAM_NAME,
  ...STREAM_DATABASE,
};

const COMPARISON = {
  compare: {
    type: "choice",
    choices: ["documents", "counts"],
    env: ["CDC_VERIFY_COMPARE"],
    default: "documents",
    help: "Compare each document with its row, or only the counts",
    switches: { "count-only": "counts" },
  },
  sample: {
    type: "count",
    env: ["CDC_VERIFY_SAMPLE"],
    default: "0",
    help: "Documents and rows to compare per collection; 0 for all",
    details: "They are picked at random.",
  },
  differences: {
    type: "choice",
    choices: ["report", "repair"],
    env: ["CDC_VERIFY_DIFFERENCES"],
    default: "report",
    help: "Report keys that differ, or also repair their rows",
    details: "Repaired rows are verified again.",
    switches: { repair: "repair" },
  },
  rate: {
    type: "count",
    env: ["CDC_VERIFY_RATE"],
    default: "0",
    help: "Documents to compare per second at most; 0 for no limit",
  },
  settle: {
    type: "duration",
    env: ["CDC_VERIFY_SETTLE"],
    default: "30s",
    help: "Time to wait for a relay whose position does not move",
    details: "Differences after that are reported.",
  },
  generations: {
    type: "count",
    least: 1,
    env: ["CDC_VERIFY_GENERATIONS"],
    default: "10",
    help: "Comparisons of a key that differs and keeps changing",
  },
} as const satisfies OptionTable;

const MOMENT = {
  at: {
    type: "time",
    env: ["CDC_WAIT_AT"],
    default: "now",
    help: "Wait for all writes up to this time",
    details: "now by MongoDB's clock, a time such as 2026-01-31T12:00:00Z, or an operation time T:I.",
  },
  timeout: {
    type: "duration",
    env: ["CDC_WAIT_TIMEOUT"],
    default: "1m",
    help: "Time to wait at most; then the exit code is 4",
  },
} as const satisfies OptionTable;

const LAG = {
  maxLag: { type: "duration", default: "1m", help: "Lag from which the exit code is 4" },
} as const satisfies OptionTable;

/** The form of the result of a command. */
const outputOf = (variable: string) => ({
  output: {
    type: "choice",
    choices: ["text", "json"],
    env: [variable],
    default: "text",
    help: "Format of the result on standard output",
    switches: { json: "json" },
  },
} as const satisfies OptionTable);

const runsOf = (variable: string, help: string) => ({
  runs: {
    type: "choice",
    choices: ["once", "forever"],
    env: [variable],
    default: "once",
    help,
    switches: { watch: "forever" },
  },
} as const satisfies OptionTable);

const FORGET = {
  stream: {
    type: "text",
    env: ["CDC_FORGET_STREAM"],
    help: "Name of the stream as status prints it, with all its workers",
    details: "By default the only stream.",
  },
  confirm: {
    type: "choice",
    choices: ["ask", "never"],
    env: ["CDC_FORGET_CONFIRM"],
    default: "ask",
    help: "Ask on the terminal before deleting, or never",
    switches: { yes: "never" },
  },
} as const satisfies OptionTable;

const WORKLOAD = {
  database: { type: "text", env: ["MONGODB_DATABASE"], default: "testdrive", help: "Database to write to" },
  collection: { type: "text", env: ["MONGODB_COLLECTION"], default: "data", help: "Collection to write to" },
  count: {
    type: "count",
    least: 1,
    env: ["WORKLOAD_COUNT"],
    default: "1",
    help: "Operations; 1 inserts the example record and prints its id",
  },
  rate: {
    type: "count",
    env: ["WORKLOAD_RATE"],
    default: "0",
    help: "Operations per second at most; 0 for no limit",
  },
  mix: {
    type: "mix",
    env: ["WORKLOAD_MIX"],
    default: "insert=100",
    help: "Weights of insert, update, replace and delete",
    details: "For example insert=70,update=20,replace=5,delete=5.",
  },
  seed: {
    type: "seed",
    env: ["WORKLOAD_SEED"],
    default: "random",
    help: "The same seed repeats operations, ids included",
  },
} as const satisfies OptionTable;

const STATUS: typeof CRATEDB & typeof ANY_STREAM & typeof LAG = { ...CRATEDB, ...ANY_STREAM, ...LAG };
const WAIT: typeof MONGODB & typeof CRATEDB & typeof ANY_STREAM & typeof MOMENT = {
  ...MONGODB,
  ...CRATEDB,
  ...ANY_STREAM,
  ...MOMENT,
};
/** With the options of the relay whose rows `verify` compares: it repairs them as the relay would write them. */
const VERIFY:
  & typeof MONGODB
  & typeof SCOPE
  & typeof TRANSFORM
  & typeof CRATEDB
  & typeof TABLE
  & typeof ON_DROP
  & typeof ROWS
  & typeof MEMORY
  & typeof STATEMENTS
  & typeof LEASE
  & typeof COMPARISON = {
    ...MONGODB,
    ...SCOPE,
    ...TRANSFORM,
    ...CRATEDB,
    ...TABLE,
    ...ON_DROP,
    ...ROWS,
    ...MEMORY,
    ...STATEMENTS,
    ...LEASE,
    ...COMPARISON,
  };

export const OPTIONS = {
  "cdc-relay": { ...RELAY, ...MONITORING, ...LOGGING },
  "status": {
    ...STATUS,
    ...runsOf("CDC_STATUS_RUNS", "Print the status once, or every second until stopped"),
    ...outputOf("CDC_STATUS_OUTPUT"),
    ...LOGGING,
  },
  "wait": { ...WAIT, ...outputOf("CDC_WAIT_OUTPUT"), ...LOGGING },
  "verify": {
    ...VERIFY,
    ...runsOf("CDC_VERIFY_RUNS", "Verify once, or again and again until stopped"),
    ...outputOf("CDC_VERIFY_OUTPUT"),
    ...LOGGING,
  },
  "forget": { ...CRATEDB, ...FORGET, ...LOGGING },
  "db-workload": { ...MONGODB, ...WORKLOAD, ...LOGGING },
} satisfies Record<string, OptionTable>;

/** The options of each function, without those of the command line alone: log, monitoring, output and repetition. */
export const LIBRARY_OPTIONS = { startRelay: RELAY, status: STATUS, wait: WAIT, verify: VERIFY };

/** What `startRelay()` follows, and how. */
export type RelayOptions = Inputs<typeof RELAY>;
/** Which streams `status()` reads: that of a relay with these options, or all. */
export type StatusOptions = Inputs<typeof STATUS>;
/** What `wait()` waits for: the stream of a relay with these options, or all. */
export type WaitOptions = Inputs<typeof WAIT>;
/** What `verify()` compares, and how: with the options of the relay, and its own. */
export type VerifyOptions = Inputs<typeof VERIFY>;

/** The headings of the help and of docs/options.md, with their options. Those of one command have none of these. */
const GROUPS: readonly (readonly [title: string, table: OptionTable])[] = [
  ["Source (MongoDB)", { ...MONGODB, ...SCOPE, ...TRANSFORM, ...FULL_DOCUMENT }],
  ["Target (CrateDB)", { ...CRATEDB, ...TABLE, ...SHARDS, ...ON_DROP }],
  ["Snapshot", SNAPSHOT],
  ["Rows", { ...ROWS, ...MAX_DEAD_LETTERS }],
  ["Performance", { ...MEMORY, ...BATCHES, ...STATEMENTS }],
  ["Operation", { ...LEASE, ...WORKER, ...ON_HELD, ...MONITORING }],
  ["Log", LOGGING],
];

/**
 * Puts the options of a command under their headings.
 *
 * @example IN: {timeout, logLevel} → OUT: [["Options", {timeout}], ["Log", {logLevel}]]
 */
export function grouped(table: OptionTable): typeof GROUPS {
  const within = (names: readonly string[]): OptionTable =>
    Object.fromEntries(names.flatMap((name) => table[name] ? [[name, table[name]]] : []));
  const titled = GROUPS.flatMap(([, group]) => Object.keys(group));
  const groups = GROUPS.map(([title, group]) => [title, within(Object.keys(group))] as const);
  return [
    ["Options", within(Object.keys(table).filter((name) => !titled.includes(name)))] as const,
    ...groups,
  ]
    .filter(([, options]) => Object.keys(options).length > 0);
}
