/** The option table: the options of each command, and of each function of the library. */
import { parseMix } from "../workload/mix.ts";
import { count, DURATION, oneOf, OPERATION_TIME, optional, text, textual } from "./kinds.ts";
import { inGroup, type Inputs, type OptionTable, without } from "./option.ts";
import {
  BATCHES,
  CRATEDB,
  LEASE,
  MAX_LAG,
  MEMORY,
  MONGODB,
  MONITORING,
  ROWS,
  SCOPE,
  SNAPSHOT,
  STATEMENTS,
  TABLES,
  TRANSFORM,
  WORKERS,
} from "./relay_options.ts";

const command = inGroup("command", "process");
const log = inGroup("log", "process");

export const LOGGING = {
  logFormat: log(oneOf("text", "json"), {
    env: ["LOG_FORMAT"],
    default: "text",
    help: "Format of log lines on standard error",
  }),
  logLevel: log(oneOf("debug", "info", "warn", "error"), {
    env: ["LOG_LEVEL"],
    default: "info",
    help: "Minimum log level",
    switches: { quiet: "warn", verbose: "debug" },
  }),
};

export const RELAY = {
  ...MONGODB,
  ...SCOPE,
  ...TRANSFORM,
  ...CRATEDB,
  ...TABLES,
  ...SNAPSHOT,
  ...ROWS,
  ...MEMORY,
  ...BATCHES,
  ...STATEMENTS,
  ...LEASE,
  ...WORKERS,
};

/** The options of a relay that name its stream. */
export const STREAM = { ...SCOPE, table: TABLES.table, worker: WORKERS.worker };

const STREAMS = { ...CRATEDB, ...STREAM };

/** The options that `verify` shares with the relay: it repairs rows as the relay would write them. */
const VERIFIED = {
  ...MONGODB,
  ...SCOPE,
  ...without(TRANSFORM, "fullDocument"),
  ...CRATEDB,
  ...without(TABLES, "shards"),
  ...without(ROWS, "maxDeadLetters"),
  ...MEMORY,
  ...STATEMENTS,
  ...LEASE,
};

export const VERIFY = {
  compare: command(oneOf("documents", "counts"), {
    env: ["CDC_VERIFY_COMPARE"],
    default: "documents",
    help: "Compare each document with its row, or only the counts",
    switches: { "count-only": "counts" },
  }),
  sample: command(count(0), {
    env: ["CDC_VERIFY_SAMPLE"],
    default: "0",
    help: "Documents and rows to compare per collection; 0 for all",
    details: "They are picked at random.",
  }),
  differences: command(oneOf("report", "repair"), {
    env: ["CDC_VERIFY_DIFFERENCES"],
    default: "report",
    help: "Report keys that differ, or also repair their rows",
    details: "Repaired rows are verified again.",
    switches: { repair: "repair" },
  }),
  rate: command(count(0), {
    env: ["CDC_VERIFY_RATE"],
    default: "0",
    help: "Documents to compare per second at most; 0 for no limit",
  }),
  settle: command(DURATION, {
    env: ["CDC_VERIFY_SETTLE"],
    default: "30s",
    help: "Time to wait for a relay whose position does not move",
    details: "Differences after that are reported.",
  }),
  generations: command(count(1), {
    env: ["CDC_VERIFY_GENERATIONS"],
    default: "10",
    help: "Comparisons of a key that differs and keeps changing",
  }),
};

/** The form of the result of a command. */
const outputOf = (variable: string) => ({
  output: command(oneOf("text", "json"), {
    env: [variable],
    default: "text",
    help: "Format of the result on standard output",
    switches: { json: "json" },
  }),
});

const runsOf = (variable: string, help: string) => ({
  runs: command(oneOf("once", "forever"), {
    env: [variable],
    default: "once",
    help,
    switches: { watch: "forever" },
  }),
});

const WAIT = {
  at: command(OPERATION_TIME, {
    env: ["CDC_WAIT_AT"],
    default: "now",
    help: "Wait for all writes up to this time",
    details: "now by MongoDB's clock, a time such as 2026-01-31T12:00:00Z, or an operation time T:I.",
  }),
  timeout: command(DURATION, {
    env: ["CDC_WAIT_TIMEOUT"],
    default: "1m",
    help: "Time to wait at most; then the exit code is 4",
  }),
};

const STATUS = {
  ...STREAMS,
  maxLag: { ...MAX_LAG, help: "Lag from which the exit code is 4" },
};

const FORGET = {
  stream: command(optional(text("NAME")), {
    env: ["CDC_FORGET_STREAM"],
    default: "",
    help: "Name of the stream as status prints it, with all its workers",
    details: "By default the only stream.",
  }),
  confirm: command(oneOf("ask", "never"), {
    env: ["CDC_FORGET_CONFIRM"],
    default: "ask",
    help: "Ask on the terminal before deleting, or never",
    switches: { yes: "never" },
  }),
};

const WORKLOAD = {
  database: command(text("NAME"), {
    env: ["MONGODB_DATABASE"],
    default: "testdrive",
    help: "Database to write to",
  }),
  collection: command(text("NAME"), {
    env: ["MONGODB_COLLECTION"],
    default: "data",
    help: "Collection to write to",
  }),
  count: command(count(1), {
    env: ["WORKLOAD_COUNT"],
    default: "1",
    help: "Operations; 1 inserts the example record and prints its id",
  }),
  rate: command(count(0), {
    env: ["WORKLOAD_RATE"],
    default: "0",
    help: "Operations per second at most; 0 for no limit",
  }),
  mix: command(textual("OP=WEIGHT,…", parseMix), {
    env: ["WORKLOAD_MIX"],
    default: "insert=100",
    help: "Weights of insert, update, replace and delete",
    details: "For example insert=70,update=20,replace=5,delete=5.",
  }),
  seed: command(
    textual("N", (value) => value === "random" ? Math.floor(Math.random() * 2 ** 32) : count(0).parse(value)),
    {
      env: ["WORKLOAD_SEED"],
      default: "random",
      help: "The same seed repeats operations, ids included",
    },
  ),
};

export const OPTIONS = {
  "cdc-relay": { ...RELAY, ...MONITORING, ...LOGGING },
  "status": {
    ...STATUS,
    ...runsOf("CDC_STATUS_RUNS", "Print the status once, or every second until stopped"),
    ...outputOf("CDC_STATUS_OUTPUT"),
    ...LOGGING,
  },
  "wait": { ...MONGODB, ...STREAMS, ...WAIT, ...outputOf("CDC_WAIT_OUTPUT"), ...LOGGING },
  "verify": {
    ...VERIFIED,
    ...VERIFY,
    ...runsOf("CDC_VERIFY_RUNS", "Verify once, or again and again until stopped"),
    ...outputOf("CDC_VERIFY_OUTPUT"),
    ...LOGGING,
  },
  "forget": { ...CRATEDB, ...FORGET, ...LOGGING },
  "db-workload": { ...MONGODB, ...WORKLOAD, ...LOGGING },
} satisfies Record<string, OptionTable>;

/** Without what is of the command line alone: log, monitoring, output and repetition. */
export const LIBRARY_OPTIONS = {
  startRelay: RELAY,
  status: STATUS,
  wait: { ...MONGODB, ...STREAMS, ...WAIT },
  verify: { ...VERIFIED, ...VERIFY },
} satisfies Record<string, OptionTable>;

/** What `startRelay()` follows, and how. */
export type RelayOptions = Inputs<typeof LIBRARY_OPTIONS.startRelay>;
/** Which streams `status()` reads: that of a relay with these options, or all. */
export type StatusOptions = Inputs<typeof LIBRARY_OPTIONS.status>;
/** What `wait()` waits for: the stream of a relay with these options, or all. */
export type WaitOptions = Inputs<typeof LIBRARY_OPTIONS.wait>;
/** What `verify()` compares, and how: with the options of the relay, and its own. */
export type VerifyOptions = Inputs<typeof LIBRARY_OPTIONS.verify>;
