/** The option table: the options of each command, and of each function of the library. */
import { CTL_OPTIONS, DIFFERENCES } from "./ctl_options.ts";
import { type Inputs, type OptionTable, prefixed } from "./option.ts";
import {
  COLLECTION,
  CRATEDB,
  FILE,
  HOOKS,
  MEMORY,
  MONGODB,
  MONITORING,
  OUTPUT,
  RELAY,
  SCOPE,
  STREAM,
  SUPERVISION,
} from "./relay_options.ts";
import { type DESIGN, flagsIn } from "./table_options.ts";

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

/** With one value for the process, whatever the number of its streams. */
export const PROCESS = { ...MEMORY, ...MONITORING, ...LOGGING, ...SUPERVISION };

/** The same in a file. */
export const FILE_PROCESS = { ...PROCESS, ...HOOKS };

const COMPARISON = {
  compare: {
    type: "choice",
    choices: ["documents", "counts"],
    default: "documents",
    help: "Compare each document with its row, or only the counts",
    switches: { "count-only": "counts" },
  },
  sample: {
    type: "count",
    default: "0",
    help: "Documents and rows to compare per collection; 0 for all",
    details: "They are picked at random.",
  },
  differences: { ...DIFFERENCES, details: "Repaired rows are verified again." },
  rate: { type: "count", default: "0", help: "Documents to compare per second at most; 0 for no limit" },
  settle: {
    type: "duration",
    default: "30s",
    help: "Time to wait for a relay whose position does not move",
    details: "Differences after that are reported.",
  },
  generations: {
    type: "count",
    least: 1,
    default: "10",
    help: "Comparisons of a key that differs and keeps changing",
  },
} as const satisfies OptionTable;

const MOMENT = {
  at: {
    type: "time",
    default: "now",
    help: "Wait for all writes up to this time",
    details: "now by MongoDB's clock, a time such as 2026-01-31T12:00:00Z, or an operation time T:I.",
  },
  timeout: { type: "duration", default: "1m", help: "Time to wait at most; then the exit code is 4" },
} as const satisfies OptionTable;

const LAG = {
  maxLag: { type: "duration", default: "1m", help: "Lag from which the exit code is 4" },
} as const satisfies OptionTable;

const CHECK = {
  failOn: {
    type: "choice",
    choices: ["wrong", "warning"],
    default: "wrong",
    help: "Level of a finding from which the exit code is 4",
    switches: { strict: "warning" },
  },
  ...OUTPUT,
} as const satisfies OptionTable;

const PLAN = {
  sample: {
    type: "count",
    least: 1,
    default: "1000",
    help: "Documents to read of each collection",
    details: "Fewer if they are large.",
  },
  measure: {
    type: "count",
    default: "0",
    help: "Rows to write to a scratch table, to measure CrateDB; 0 for none",
    details: "The table is dropped afterwards.",
  },
  tables: {
    type: "choice",
    choices: ["plan", "create"],
    default: "plan",
    help: "Only plan the tables, or also create those that are missing",
    switches: { apply: "create" },
  },
  output: {
    type: "choice",
    choices: ["text", "json", "sql"],
    default: "text",
    help: "Format of the result on standard output; sql is a script to edit and run",
    switches: { json: "json" },
  },
} as const satisfies OptionTable;

const runs = (help: string) =>
  ({
    type: "choice",
    choices: ["once", "forever"],
    default: "once",
    help,
    switches: { watch: "forever" },
  }) as const;

const FORGET = {
  stream: {
    type: "text",
    help: "Name of the stream as status prints it, with all its workers",
    details: "By default the only stream.",
  },
  confirm: {
    type: "choice",
    choices: ["ask", "never"],
    default: "ask",
    help: "Ask on the terminal before deleting, or never",
    switches: { yes: "never" },
  },
} as const satisfies OptionTable;

const REBUILD = {
  target: { type: "text", placeholder: "NAME", help: "Collection whose table is rebuilt: shop.orders" },
} as const satisfies OptionTable;

const WORKLOAD = {
  database: { type: "text", env: ["MONGODB_DATABASE"], default: "testdrive", help: "Database to write to" },
  collection: { type: "text", env: ["MONGODB_COLLECTION"], default: "data", help: "Collection to write to" },
  count: {
    type: "count",
    least: 1,
    default: "1",
    help: "Operations; 1 inserts the example record and prints its id",
  },
  rate: { type: "count", default: "0", help: "Operations per second at most; 0 for no limit" },
  mix: {
    type: "mix",
    default: "insert=100",
    help: "Weights of insert, update, replace and delete",
    details: "For example insert=70,update=20,replace=5,delete=5.",
  },
  seed: { type: "seed", default: "random", help: "The same seed repeats operations, ids included" },
} as const satisfies OptionTable;

const RELAY_FLAGS: Omit<typeof RELAY, keyof typeof DESIGN> = flagsIn(RELAY);
const { fullDocument: _fullDocument, shards: _shards, ...COMPARED } = COLLECTION;
const { statementRows, statementBytes, inFlight, lease, retryFor, worker, snapshotReadPreference } = STREAM;

/** The options of a relay that name its stream. */
export const STREAM_NAME: typeof SCOPE & Pick<typeof COLLECTION, "table"> & Pick<typeof STREAM, "worker"> = {
  ...SCOPE,
  table: COLLECTION.table,
  worker,
};
const STREAM_DATABASE = {
  database: {
    type: "names",
    env: ["MONGODB_DATABASE"],
    help: "Databases of the stream, with * and ?; by default all streams",
    details: "'*' is all databases.",
  },
} as const satisfies OptionTable;

/** The same for a command that reads all streams by default. */
const ANY_STREAM: Omit<typeof STREAM_NAME, "database"> & typeof STREAM_DATABASE = {
  ...STREAM_NAME,
  ...STREAM_DATABASE,
};
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
  & typeof CRATEDB
  & typeof MEMORY
  & typeof SCOPE
  & Omit<typeof COLLECTION, "fullDocument" | "shards">
  & Pick<
    typeof STREAM,
    "statementRows" | "statementBytes" | "inFlight" | "lease" | "retryFor" | "snapshotReadPreference"
  >
  & typeof COMPARISON = {
    ...MONGODB,
    ...CRATEDB,
    ...MEMORY,
    ...SCOPE,
    ...COMPARED,
    ...{ statementRows, statementBytes, inFlight, lease, retryFor, snapshotReadPreference },
    ...COMPARISON,
  };

export const OPTIONS = {
  "cdc-relay": { ...FILE, ...RELAY_FLAGS, ...SUPERVISION, ...MONITORING, ...LOGGING },
  // --standby would have the letter of --strict.
  "check": {
    ...FILE,
    ...RELAY_FLAGS,
    onHeld: { ...RELAY.onHeld, switches: {} },
    ...prefixed("CDC_CHECK", CHECK),
    ...LOGGING,
  },
  "plan": { ...FILE, ...RELAY_FLAGS, ...prefixed("CDC_PLAN", PLAN), ...LOGGING },
  "status": {
    ...FILE,
    ...STATUS,
    ...prefixed("CDC_STATUS", {
      runs: runs("Print the status once, or every second until stopped"),
      ...OUTPUT,
    }),
    ...LOGGING,
  },
  "wait": { ...FILE, ...WAIT, ...prefixed("CDC_WAIT", { ...MOMENT, ...OUTPUT }), ...LOGGING },
  "verify": {
    ...FILE,
    ...flagsIn(VERIFY),
    ...prefixed("CDC_VERIFY", {
      ...COMPARISON,
      runs: runs("Verify once, or again and again until stopped"),
      ...OUTPUT,
    }),
    ...LOGGING,
  },
  "forget": { ...CRATEDB, ...prefixed("CDC_FORGET", FORGET), ...LOGGING },
  "rebuild": { ...FILE, ...RELAY_FLAGS, ...prefixed("CDC_REBUILD", REBUILD), ...LOGGING },
  ...CTL_OPTIONS,
  "config check": { ...FILE, ...LOGGING },
  "config show": { ...FILE, ...RELAY_FLAGS, ...PROCESS },
  "config diff": { ...FILE, ...LOGGING },
  "config init": { ...RELAY_FLAGS, ...PROCESS },
  "config schema": { ...LOGGING },
  "db-workload": { ...MONGODB, ...prefixed("WORKLOAD", WORKLOAD), ...LOGGING },
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
const HEADINGS = {
  "Streams": "config stream",
  "Source (MongoDB)": "mongodbUrl database collection exclude filter only omit pipeline fullDocument",
  "Target (CrateDB)":
    "cratedbUrl cratedbJwt cratedbCa cratedbCert cratedbKey table shards replicas partitionBy keep onDrop deletes metadata",
  "Snapshot":
    "snapshot startAt snapshotLanes snapshotRate snapshotOrder snapshotReadPreference onHistoryLost",
  "Rows": "key columns widen widenRows maxDeadLetters",
  "Performance":
    "maxMemory batchSize batchBytes refreshInterval saveInterval statementRows statementBytes inFlight",
  "Operation": "lease retryFor worker onHeld onFailure listen controlToken maxLag onEventUrl",
  "Log": "logFormat logLevel",
};

/**
 * Puts the options of a command under their headings.
 *
 * @example IN: {timeout, logLevel} → OUT: [["Options", {timeout}], ["Log", {logLevel}]]
 */
export function grouped(table: OptionTable): (readonly [title: string, table: OptionTable])[] {
  const titled = Object.entries(HEADINGS).map(([title, names]) => [title, names.split(" ")] as const);
  const others = Object.keys(table).filter((name) => !titled.some(([, names]) => names.includes(name)));
  return [["Options", others] as const, ...titled]
    .map(([title, names]) => {
      const options = names.flatMap((name) => table[name] ? [[name, table[name]] as const] : []);
      return [title, Object.fromEntries(options)] as const;
    })
    .filter(([, options]) => Object.keys(options).length > 0);
}
