/** The options: flag, environment variable, default, check and help of each in one table. */
import { readFileSync } from "node:fs";
import { BSON } from "mongodb";
import { UsageError } from "../util/errors.ts";
import { WEB_TOKEN } from "../util/web_token.ts";
import { tableName } from "../sink/table/sql_names.ts";
import { parseSinkUrl } from "../sink/connection/url.ts";
import { parsePartition } from "../key/partition.ts";
import { parseListenAddress } from "../metrics/listen_address.ts";
import { parseMix } from "../workload/mix.ts";
import { parseFilter, parseOmitted, parsePaths, parsePipeline } from "../source/transform.ts";
import { certificateFile, privateKeyFile } from "./pem_file.ts";

export interface Option<Flag extends string = string, Value = unknown> {
  readonly flag: Flag;
  /** Environment variables; the first that is set wins. */
  readonly env: readonly string[];
  readonly default: string;
  /** A placeholder for the value in the help. */
  readonly value: string;
  readonly help: string;
  /** @throws RangeError, whose message follows the name of the option */
  readonly parse: (text: string) => Value;
  /** Whether giving the flag again adds to the list. */
  readonly list?: true;
  /** Whether the value is secret: a file may have it, which `--FLAG-file` or a variable with `_FILE` at its end names. */
  readonly file?: true;
}

/** The option that names a file with the value of another one. @example IN: --mongodb-url → OUT: --mongodb-url-file FILE */
const fileOf = <const Flag extends string>({ flag, env }: Option<Flag>) =>
  option({
    flag: `${flag}-file` as const,
    env: env.map((name) => `${name}_FILE`),
    default: "",
    value: "FILE",
    help: `File that has the value of --${flag}, as Docker and Kubernetes give secrets`,
    parse: (path) => path,
  });

/** An option whose flag and type of value the compiler knows. */
const option = <const Flag extends string, Value>(definition: Option<Flag, Value>): Option<Flag, Value> =>
  definition;

/** @example "log-level" → "logLevel" */
type CamelCase<Text extends string> = Text extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Text;

/** The values of some options, by their flags in camel case. What a file has is a value of the option without `-file`. */
export type Values<Options extends readonly Option[]> = {
  readonly [
    Each in Options[number] as Each["flag"] extends `${string}-file` ? never : CamelCase<Each["flag"]>
  ]: ReturnType<Each["parse"]>;
};

/** Names and patterns that are given as a list: `a,b_*`. */
const names = (value: string): readonly string[] => {
  const list = value.split(",").map((name) => name.trim()).filter(Boolean);
  if (value !== "" && list.length === 0) throw new RangeError("names nothing");
  return list;
};

const text = (value: string): string => {
  if (value === "") throw new RangeError("is empty");
  return value;
};

const count = (minimum: number) => (value: string): number => {
  if (!/^\d+$/.test(value) || Number(value) < minimum) {
    throw new RangeError(`is not a whole number of at least ${minimum}`);
  }
  return Number(value);
};

const oneOf = <const Choice extends string>(...choices: readonly Choice[]) => (value: string): Choice => {
  const choice = choices.find((each) => each === value);
  if (choice === undefined) throw new RangeError(`is none of ${choices.join(", ")}`);
  return choice;
};

const SHORTEST_LEASE_MS = 1_000;
const LONGEST_LEASE_MS = 24 * 3_600_000;
/** Milliseconds of each unit of time. */
const UNITS_MS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** @example IN: 250ms → OUT: 250; IN: 2m → OUT: 120000; IN: forever → OUT: Infinity */
export function duration(value: string): number {
  if (value === "forever") return Infinity;
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(value) ?? [];
  if (number === undefined) throw new RangeError("is not a duration such as 250ms, 10s or 2m");
  return Number(number) * (UNITS_MS[unit ?? ""] ?? 1);
}

/** The last operation that a second may have. */
const LAST_ORDINAL = 2 ** 32 - 1;

/**
 * @example
 * IN: now → OUT: "now"; IN: 1700000000:3 → OUT: Timestamp(1700000000, 3); IN: 2023-11-14T22:13:20Z → OUT: the end of that second
 */
export function operationTime(value: string): "now" | BSON.Timestamp {
  if (value === "now") return value;
  const [, t, i] = /^(\d{1,10}):(\d{1,10})$/.exec(value) ?? [];
  if (t !== undefined && i !== undefined) return timestamp(Number(t), Number(i));
  const time = /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value) : NaN;
  if (Number.isNaN(time)) throw notATime();
  return timestamp(Math.floor(time / 1_000), LAST_ORDINAL);
}

function timestamp(t: number, i: number): BSON.Timestamp {
  if (t > LAST_ORDINAL || i > LAST_ORDINAL) throw notATime();
  return new BSON.Timestamp({ t, i });
}

const notATime = (): RangeError =>
  new RangeError("is neither now, nor a time such as 2026-01-31T12:00:00Z, nor an operation time T:I");

/** Bytes of each unit of size. */
const UNITS_BYTES: Readonly<Record<string, number>> = { "": 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** @example IN: 16MiB → OUT: 16777216 */
export function byteSize(value: string): number {
  const [, number, unit] = /^(\d+)(kib|mib|gib|)$/i.exec(value) ?? [];
  if (number === undefined || Number(number) === 0) {
    throw new RangeError("is not a size such as 16MiB or 500000");
  }
  return Number(number) * (UNITS_BYTES[unit?.toLowerCase() ?? ""] ?? 1);
}

/** Parses a text, unless it is empty. */
const optional = <Value>(parse: (text: string) => Value) => (value: string): Value | undefined =>
  value === "" ? undefined : parse(value);

/** Checks a table's name and keeps it as text, because the default schema is not known yet. */
function checkedTable(value: string): string {
  if (value !== "") tableName(value, "doc");
  return value;
}

function checkedSinkUrl(value: string): string {
  if (value !== "") parseSinkUrl(value);
  return value;
}

const MONGODB_URL = option({
  flag: "mongodb-url",
  env: ["MONGODB_URL"],
  default: "mongodb://localhost/",
  value: "URL",
  help: "MongoDB, a replica set or sharded cluster",
  parse: text,
  file: true,
});
const MONGODB_URL_FILE = fileOf(MONGODB_URL);

const SCOPE = [
  option({
    flag: "database",
    env: ["MONGODB_DATABASE"],
    default: "",
    value: "NAME,…",
    help: "Databases, with * and ? as in a shell; by default testdrive. '*' follows the whole deployment",
    parse: names,
    list: true,
  }),
  option({
    flag: "collection",
    env: ["MONGODB_COLLECTION"],
    default: "",
    value: "NAME,…",
    help: "Collections, with * and ?; by default all of the databases that are named, else data",
    parse: names,
    list: true,
  }),
  option({
    flag: "exclude",
    env: ["CDC_EXCLUDE"],
    default: "",
    value: "NAME,…",
    help: "Collections to leave out: collection or database.collection, with * and ?",
    parse: names,
    list: true,
  }),
  option({
    flag: "key",
    env: ["CDC_KEY"],
    default: "_id",
    value: "_id|documentKey",
    help: "What oid is made of; documentKey adds the shard key, where _id is not unique among the shards",
    parse: oneOf("_id", "documentKey"),
  }),
] as const;

const TARGET = [
  option({
    flag: "database",
    env: ["MONGODB_DATABASE"],
    default: "testdrive",
    value: "NAME",
    help: "Database to write to",
    parse: text,
  }),
  option({
    flag: "collection",
    env: ["MONGODB_COLLECTION"],
    default: "data",
    value: "NAME",
    help: "Collection to write to",
    parse: text,
  }),
] as const;

/** Which parts of the documents are taken. */
const TRANSFORM = [
  option({
    flag: "filter",
    env: ["CDC_FILTER"],
    default: "",
    value: "JSON",
    help: "Take only documents that match this MongoDB query (Extended JSON); rows of others are deleted",
    parse: optional(parseFilter),
  }),
  option({
    flag: "only",
    env: ["CDC_ONLY"],
    default: "",
    value: "PATH,…",
    help: "Take only these fields, and _id",
    parse: parsePaths,
    list: true,
  }),
  option({
    flag: "omit",
    env: ["CDC_OMIT"],
    default: "",
    value: "PATH,…",
    help: "Leave these fields out",
    parse: parseOmitted,
    list: true,
  }),
  option({
    flag: "pipeline",
    env: ["CDC_PIPELINE"],
    default: "",
    value: "JSON",
    help: 'Stages that each document goes through, e.g. [{"$set": {"year": {"$year": "$at"}}}]',
    parse: optional(parsePipeline),
  }),
] as const;

const SNAPSHOT = [
  option({
    flag: "snapshot",
    env: ["CDC_SNAPSHOT"],
    default: "initial",
    value: "initial|never|always|only",
    help: "Take a snapshot of what is there: at the first start, never, at every start, or take it and exit",
    parse: oneOf("initial", "never", "always", "only"),
  }),
  option({
    flag: "snapshot-lanes",
    env: ["CDC_SNAPSHOT_LANES"],
    default: "4",
    value: "N",
    help: "Ranges of keys that a snapshot reads and writes at once, of one collection or several",
    parse: count(1),
  }),
  option({
    flag: "snapshot-rate",
    env: ["CDC_SNAPSHOT_RATE"],
    default: "0",
    value: "N",
    help: "Documents a second that a snapshot reads at most; 0 for as many as possible",
    parse: count(0),
  }),
  option({
    flag: "on-history-lost",
    env: ["CDC_ON_HISTORY_LOST"],
    default: "recopy",
    value: "recopy|fail",
    help:
      "When MongoDB no longer has the changes since the saved position: take a new snapshot and remove rows whose documents are gone, or stop",
    parse: oneOf("recopy", "fail"),
  }),
  option({
    flag: "full-document",
    env: ["CDC_FULL_DOCUMENT"],
    default: "lookup",
    value: "lookup|updateLookup|whenAvailable|required",
    help:
      "Where the document of an update comes from: look-ups in bulk, one an event, its post-image or else a look-up, or its post-image alone",
    parse: oneOf("lookup", "updateLookup", "whenAvailable", "required"),
  }),
] as const;

const CRATEDB_URL = option({
  flag: "cratedb-url",
  env: ["CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"],
  default: "crate://",
  value: "URL",
  help:
    "CrateDB: crate://[user:password@]host[:4200] over HTTP, postgresql://crate@host:5432/doc over the wire",
  parse: parseSinkUrl,
  file: true,
});

const ONE_WEB_TOKEN = new RegExp(`^${WEB_TOKEN.source}$`);

function webToken(value: string): string {
  if (!ONE_WEB_TOKEN.test(value)) throw new RangeError("is not a JSON Web Token");
  return value;
}

export const CRATEDB_JWT = option({
  flag: "cratedb-jwt",
  env: ["CRATEDB_JWT"],
  default: "",
  value: "TOKEN",
  help: "JSON Web Token to log in to CrateDB with, in place of a password",
  parse: optional(webToken),
  file: true,
});

/** Where the sink is, how to log in to it, and whom to trust. */
export const SINK = [
  CRATEDB_URL,
  fileOf(CRATEDB_URL),
  CRATEDB_JWT,
  fileOf(CRATEDB_JWT),
  option({
    flag: "cratedb-ca",
    env: ["CRATEDB_CA"],
    default: "",
    value: "FILE",
    help:
      "PEM file of the authority that CrateDB's certificate has to be of; by default any that the runtime knows",
    parse: optional(certificateFile),
  }),
  option({
    flag: "cratedb-cert",
    env: ["CRATEDB_CERT"],
    default: "",
    value: "FILE",
    help: "PEM file of the certificate to log in to CrateDB with; --cratedb-key has its key",
    parse: optional(certificateFile),
  }),
  option({
    flag: "cratedb-key",
    env: ["CRATEDB_KEY"],
    default: "",
    value: "FILE",
    help: "PEM file of the private key of --cratedb-cert",
    parse: optional(privateKeyFile),
  }),
] as const;

const RELAY = [
  ...SINK,
  option({
    flag: "table",
    env: ["CRATEDB_TABLE"],
    default: "",
    value: "[SCHEMA.]TABLE",
    help:
      "Table that the documents land in, with {database} and {collection}; by default cdc-testdrive for testdrive.data, else {database}.{collection}",
    parse: checkedTable,
  }),
  option({
    flag: "partition",
    env: ["CDC_PARTITION"],
    default: "",
    value: "K/N",
    help:
      "Take only the part K of N of the documents, by a hash of _id, K from 0: N relays divide the work, each with its own position and lease",
    parse: optional(parsePartition),
  }),
  option({
    flag: "columns",
    env: ["CDC_COLUMNS"],
    default: "typed",
    value: "typed|dynamic|ignored",
    help:
      "Columns below `data`: made here by BSON type, inferred by CrateDB, or none (OBJECT(IGNORED), not indexed)",
    parse: oneOf("typed", "dynamic", "ignored"),
  }),
  option({
    flag: "shards",
    env: ["CDC_SHARDS"],
    default: "",
    value: "N",
    help:
      "Shards of the tables that are made here; by default as many as CrateDB makes. Fewer take less work to refresh",
    parse: optional(count(1)),
  }),
  option({
    flag: "widen",
    env: ["CDC_WIDEN"],
    default: "on",
    value: "on|off",
    help: "Make a BIGINT column DOUBLE PRECISION when fractions arrive; off leaves them in `overflow`",
    parse: oneOf("on", "off"),
  }),
  option({
    flag: "widen-rows",
    env: ["CDC_WIDEN_ROWS"],
    default: "2000000",
    value: "N",
    help:
      "Widen columns of tables of up to this many rows: the table is rebuilt for it, and not written to meanwhile",
    parse: count(0),
  }),
  option({
    flag: "on-drop",
    env: ["CDC_ON_DROP"],
    default: "keep",
    value: "keep|truncate|drop",
    help:
      "What becomes of the rows when the collection is dropped or renamed: they stay, go, or go with the table",
    parse: oneOf("keep", "truncate", "drop"),
  }),
  option({
    flag: "batch-size",
    env: ["CDC_BATCH_SIZE"],
    default: "10000",
    value: "N",
    help: "Events taken into one batch at most",
    parse: count(1),
  }),
  option({
    flag: "max-memory",
    env: ["CDC_MAX_MEMORY"],
    default: "256MiB",
    value: "SIZE",
    help: "Memory for data on its way, beside the runtime's own; it sizes replies, batches and statements",
    parse: byteSize,
  }),
  option({
    flag: "batch-bytes",
    env: ["CDC_BATCH_BYTES"],
    default: "",
    value: "SIZE",
    help: "Bytes of events taken into one batch at most; by default a 32nd of --max-memory",
    parse: optional(byteSize),
  }),
  option({
    flag: "statement-rows",
    env: ["CDC_STATEMENT_ROWS"],
    default: "2500",
    value: "N",
    help: "Rows in one statement at most",
    parse: count(1),
  }),
  option({
    flag: "statement-bytes",
    env: ["CDC_STATEMENT_BYTES"],
    default: "",
    value: "SIZE",
    help: "Bytes in one statement at most, a single larger row aside; by default a 128th of --max-memory",
    parse: optional(byteSize),
  }),
  option({
    flag: "in-flight",
    env: ["CDC_IN_FLIGHT"],
    default: "4",
    value: "N",
    help: "Statements sent at once",
    parse: count(1),
  }),
  option({
    flag: "refresh-interval",
    env: ["CDC_REFRESH_INTERVAL"],
    default: "1s",
    value: "TIME",
    help: "The longest pause before rows are made visible, e.g. while the stream catches up",
    parse: duration,
  }),
  option({
    flag: "save-interval",
    env: ["CDC_SAVE_INTERVAL"],
    default: "200ms",
    value: "TIME",
    help: "Under load, how often the position is saved",
    parse: duration,
  }),
  option({
    flag: "lease",
    env: ["CDC_LEASE"],
    default: "10s",
    value: "TIME",
    help: "How long a stream stays reserved for a relay that shows no sign of life",
    parse: (value) => {
      const time = duration(value);
      if (time < SHORTEST_LEASE_MS || time > LONGEST_LEASE_MS) {
        throw new RangeError("is not a time from 1s to 24h");
      }
      return time;
    },
  }),
  option({
    flag: "on-held",
    env: ["CDC_ON_HELD"],
    default: "fail",
    value: "fail|wait",
    help:
      "While another relay that is alive follows the stream: end with an error, or wait and take over when it ends",
    parse: oneOf("fail", "wait"),
  }),
  option({
    flag: "retry-for",
    env: ["CDC_RETRY_FOR"],
    default: "forever",
    value: "TIME",
    help: "How long a database that went away is waited for",
    parse: duration,
  }),
] as const;

/** Options of the relay that name its stream. */
const NAMING = ["database", "collection", "exclude", "table", "partition"];
const isNaming = ({ flag }: Option): boolean => NAMING.includes(flag);

/** The stream that `status` and `wait` are about: the one that a relay with these options follows, or all. */
export const STREAM = [...SCOPE, ...RELAY].filter(isNaming);

/** How `status` looks. */
export const STATUS = [
  ...SINK,
  option({
    flag: "max-lag",
    env: ["CDC_MAX_LAG"],
    default: "1m",
    value: "TIME",
    help: "How far a stream may be behind; with more the exit code is 4",
    parse: duration,
  }),
  option({
    flag: "runs",
    env: ["CDC_STATUS_RUNS"],
    default: "once",
    value: "once|forever",
    help: "Tell once, or again every second until stopped; a terminal is drawn over",
    parse: oneOf("once", "forever"),
  }),
  option({
    flag: "output",
    env: ["CDC_STATUS_OUTPUT"],
    default: "text",
    value: "text|json",
    help: "Form of the result on standard output",
    parse: oneOf("text", "json"),
  }),
] as const;

/** What `wait` waits for. */
export const WAIT = [
  MONGODB_URL,
  MONGODB_URL_FILE,
  ...SINK,
  option({
    flag: "at",
    env: ["CDC_WAIT_AT"],
    default: "now",
    value: "TIME",
    help:
      "Wait for everything up to this: now, as MongoDB says; a time such as 2026-01-31T12:00:00Z; an operation time",
    parse: operationTime,
  }),
  option({
    flag: "timeout",
    env: ["CDC_WAIT_TIMEOUT"],
    default: "1m",
    value: "TIME",
    help: "How long to wait at most; the exit code is 4 then",
    parse: duration,
  }),
] as const;

export const MONITORING = [
  option({
    flag: "listen",
    env: ["CDC_LISTEN"],
    default: "",
    value: "HOST:PORT",
    help:
      "Answer /metrics, /healthz, /readyz and /status over HTTP there, e.g. 127.0.0.1:9464; off by default",
    parse: optional(parseListenAddress),
  }),
  option({
    flag: "max-lag",
    env: ["CDC_MAX_LAG"],
    default: "1m",
    value: "TIME",
    help: "How far behind the tables may be for /readyz to say that the relay is ready",
    parse: duration,
  }),
] as const;

/** Options of the relay that say where rows are and how they are written. */
const VERIFIED: readonly string[] = [
  ...SINK.map(({ flag }) => flag),
  "table",
  "columns",
  "widen",
  "widen-rows",
  "on-drop",
  "max-memory",
  "statement-rows",
  "statement-bytes",
  "in-flight",
  "lease",
  "retry-for",
];

/** How `verify` compares. */
export const VERIFY = [
  option({
    flag: "compare",
    env: ["CDC_VERIFY_COMPARE"],
    default: "documents",
    value: "documents|counts",
    help: "Compare each document with its row, or only how many there are",
    parse: oneOf("documents", "counts"),
  }),
  option({
    flag: "sample",
    env: ["CDC_VERIFY_SAMPLE"],
    default: "0",
    value: "N",
    help: "Compare so many documents and rows of each collection, taken at random; 0 for all",
    parse: count(0),
  }),
  option({
    flag: "differences",
    env: ["CDC_VERIFY_DIFFERENCES"],
    default: "report",
    value: "report|repair",
    help: "Report keys that differ, or also write or remove just their rows, and verify them again",
    parse: oneOf("report", "repair"),
  }),
  option({
    flag: "runs",
    env: ["CDC_VERIFY_RUNS"],
    default: "once",
    value: "once|forever",
    help: "Verify once, or again and again until stopped",
    parse: oneOf("once", "forever"),
  }),
  option({
    flag: "rate",
    env: ["CDC_VERIFY_RATE"],
    default: "0",
    value: "N",
    help: "Documents a second that are compared at most; 0 for as many as possible",
    parse: count(0),
  }),
  option({
    flag: "settle",
    env: ["CDC_VERIFY_SETTLE"],
    default: "30s",
    value: "TIME",
    help: "How long the relay's position may stand still before differences count as they are",
    parse: duration,
  }),
  option({
    flag: "generations",
    env: ["CDC_VERIFY_GENERATIONS"],
    default: "10",
    value: "N",
    help: "How often keys that differ and keep changing are compared again",
    parse: count(1),
  }),
  option({
    flag: "output",
    env: ["CDC_VERIFY_OUTPUT"],
    default: "text",
    value: "text|json",
    help: "Form of the result on standard output",
    parse: oneOf("text", "json"),
  }),
] as const;

const WORKLOAD = [
  option({
    flag: "count",
    env: ["WORKLOAD_COUNT"],
    default: "1",
    value: "N",
    help: "Operations; 1 inserts the example record and prints its id",
    parse: count(1),
  }),
  option({
    flag: "rate",
    env: ["WORKLOAD_RATE"],
    default: "0",
    value: "N",
    help: "Operations a second at most; 0 for as many as possible",
    parse: count(0),
  }),
  option({
    flag: "mix",
    env: ["WORKLOAD_MIX"],
    default: "insert=100",
    value: "OP=WEIGHT,…",
    help: "Weights of insert, update, replace and delete, e.g. insert=70,update=20,replace=5,delete=5",
    parse: parseMix,
  }),
  option({
    flag: "seed",
    env: ["WORKLOAD_SEED"],
    default: "random",
    value: "N",
    help: "The same seed makes the same operations, ids included",
    parse: (value) => value === "random" ? Math.floor(Math.random() * 2 ** 32) : count(0)(value),
  }),
] as const;

const LOG_FORMAT = option({
  flag: "log-format",
  env: ["LOG_FORMAT"],
  default: "text",
  value: "text|json",
  help: "Form of the log lines on standard error",
  parse: oneOf("text", "json"),
});

const LOG_LEVEL = option({
  flag: "log-level",
  env: ["LOG_LEVEL"],
  default: "info",
  value: "debug|info|warn|error",
  help: "The least that is logged",
  parse: oneOf("debug", "info", "warn", "error"),
});

export const LOGGING = [LOG_FORMAT, LOG_LEVEL] as const;

/** What the demo is told; it starts the servers that are not named. */
const DEMO = [
  option({
    ...MONGODB_URL,
    default: "",
    help: "MongoDB to use, a replica set; by default one is started",
    parse: String,
  }),
  option({
    flag: "cratedb-url",
    env: ["CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"],
    default: "",
    value: "URL",
    help: "CrateDB or PostgreSQL to use; by default one is started",
    parse: checkedSinkUrl,
  }),
  option({
    flag: "count",
    env: ["DEMO_COUNT"],
    default: "5000",
    value: "N",
    help: "Operations of the load",
    parse: count(1),
  }),
  option({
    flag: "servers",
    env: ["DEMO_SERVERS"],
    default: "stop",
    value: "stop|keep",
    help: "What becomes of servers and data at the end: removed at once, or kept until Ctrl-C",
    parse: oneOf("stop", "keep"),
  }),
] as const;

/** A flag without a value, short for an option with one. */
export interface Switch {
  readonly flag: string;
  /** The letter that does the same. */
  readonly short: string;
  /** The option's flag, and its value. */
  readonly means: readonly [flag: string, value: string];
  readonly help: string;
}

export const SWITCHES: readonly Switch[] = [
  {
    flag: "keep",
    short: "k",
    means: ["servers", "keep"],
    help: "Keep servers and data until Ctrl-C, and tell how to look at them, as --servers keep does",
  },
  {
    flag: "standby",
    short: "s",
    means: ["on-held", "wait"],
    help: "Wait while another relay follows the stream, and take over when it ends, as --on-held wait does",
  },
  {
    flag: "count-only",
    short: "c",
    means: ["compare", "counts"],
    help: "Only count documents and rows, as --compare counts does",
  },
  {
    flag: "repair",
    short: "r",
    means: ["differences", "repair"],
    help: "Write or remove the rows of keys that differ, as --differences repair does",
  },
  {
    flag: "watch",
    short: "w",
    means: ["runs", "forever"],
    help: "Go on until stopped, as --runs forever does",
  },
  {
    flag: "json",
    short: "j",
    means: ["output", "json"],
    help: "Print the result as JSON, as --output json does",
  },
  {
    flag: "quiet",
    short: "q",
    means: ["log-level", "warn"],
    help: "Log warnings and errors only, as --log-level warn does",
  },
  {
    flag: "verbose",
    short: "v",
    means: ["log-level", "debug"],
    help: "Log details too, as --log-level debug does",
  },
];

/** The switches that belong to some options. */
export const switchesOf = (options: readonly Option[]): readonly Switch[] =>
  SWITCHES.filter(({ means: [meant] }) => options.some(({ flag }) => flag === meant));

/** @example IN: {flag: "log-format", value: "text|json", …} → OUT: ["text", "json"]; IN: {value: "URL", …} → OUT: [] */
export const choicesOf = ({ value }: Option): readonly string[] =>
  value.includes("|") ? value.split("|") : [];

export const OPTIONS = {
  "cdc-relay": [
    MONGODB_URL,
    MONGODB_URL_FILE,
    ...SCOPE,
    ...RELAY,
    ...TRANSFORM,
    ...SNAPSHOT,
    ...MONITORING,
    ...LOGGING,
  ],
  "status": [...STATUS, ...STREAM, ...LOGGING],
  "wait": [...WAIT, ...STREAM, ...LOGGING],
  "verify": [
    MONGODB_URL,
    MONGODB_URL_FILE,
    ...SCOPE,
    ...RELAY.filter(({ flag }) => VERIFIED.includes(flag)),
    ...TRANSFORM,
    ...VERIFY,
    ...LOGGING,
  ],
  "db-workload": [MONGODB_URL, MONGODB_URL_FILE, ...TARGET, ...WORKLOAD, ...LOGGING],
  // The demo prints its own lines. The relay's log is for those who ask for it.
  "demo": [...DEMO, LOG_FORMAT, option({ ...LOG_LEVEL, default: "warn" })],
} as const satisfies Readonly<Record<string, readonly Option[]>>;

export type Flags = Readonly<Record<string, string | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line and the environment say. */
export interface Given {
  readonly flags: Flags;
  readonly env: Environment;
}

/**
 * The values of options: the flag's, else the environment's, else the default.
 *
 * @example
 * IN: [--batch-size, --lease], {flags: {"batch-size": "7"}, env: {}} → OUT: {batchSize: 7, lease: 10000}
 *
 * @throws UsageError that names where a bad value came from
 */
export function readOptions<const Options extends readonly Option[]>(
  options: Options,
  given: Given,
): Values<Options> {
  const entries = options.filter(({ flag }) => !NAMES_FILE.test(flag))
    .map((each) => [camelCase(each.flag), valueOf(each, given)]);
  return Object.fromEntries(entries) as Values<Options>;
}

/** The flag or variable that sets an option, itself or by naming a file; undefined if the default applies. */
export function sourceOf(
  { flag, env, file }: Option,
  { flags, env: variables }: Given,
): string | undefined {
  const flagNames = [flag, ...file ? [`${flag}-file`] : []];
  const variableNames = [...env, ...file ? env.map((name) => `${name}_FILE`) : []];
  const given = flagNames.find((name) => flags[name] !== undefined);
  if (given !== undefined) return `--${given}`;
  return variableNames.find((name) => variables[name] !== undefined && variables[name] !== "");
}

/** What was given there. */
const givenAt = (source: string, { flags, env }: Given): string =>
  (source.startsWith("--") ? flags[source.slice(2)] : env[source]) ?? "";

const NAMES_FILE = /-file$|_FILE$/;

function valueOf(option: Option, given: Given): unknown {
  const { flag, help } = option;
  if (given.flags[flag] === "") throw new UsageError(`--${flag} is empty`, { hint: `${help}.` });
  const source = sourceOf(option, given);
  const name = source ?? `--${flag}`;
  const isInFile = option.file === true && NAMES_FILE.test(name);
  const value = source === undefined
    ? option.default
    : isInFile
    ? contentOf(givenAt(source, given), source)
    : givenAt(source, given);
  try {
    return option.parse(value);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${name}: ${error.message}`, error);
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(
      isInFile
        ? `${name}: what is in the file ${error.message}`
        : option.file
        ? `${name} ${error.message}`
        : `${name} ${error.message}: current value is ${JSON.stringify(value)}`,
      { hint: `${help}.${option.default === "" ? "" : ` Default: ${option.default}`}` },
    );
  }
}

/** Without the line end that editors leave. */
function contentOf(path: string, source: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new UsageError(`${source} names a file that cannot be read: ${path}`, {
      hint: "It needs to be there, and to be readable by the user of this program.",
      cause: error,
    });
  }
}

const camelCase = (flag: string): string =>
  flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

const kebabCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * Options of the relay as the command line would have them.
 *
 * @example
 * IN: {database: ["a", "b"], filter: {n: 1}, snapshotLanes: 2} → OUT: {database: "a,b", filter: "{\"n\":1}", "snapshot-lanes": "2"}
 *
 * @throws UsageError for a name that is none
 */
export function relayFlags(options: object): Flags {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => {
    const flag = kebabCase(name);
    if (!OPTIONS["cdc-relay"].some((each) => each.flag === flag)) {
      throw new UsageError(`There is no option ${name}`, {
        hint: "docs/options.md lists them; here they are in camel case.",
      });
    }
    return [flag, flagText(value)];
  }));
}

function flagText(value: unknown): string {
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value.join(",");
  return typeof value === "object" ? BSON.EJSON.stringify(value, { relaxed: false }) : String(value);
}
