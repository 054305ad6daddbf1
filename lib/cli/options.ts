/** The options: flag, environment variable, default, check and help of each in one table. */
import { UsageError } from "../util/errors.ts";
import { tableName } from "../sink/table/sql_names.ts";
import { parseSinkUrl } from "../sink/connection/url.ts";
import { parseMix } from "../workload/mix.ts";
import { parseFilter, parsePaths, parsePipeline } from "../source/transform.ts";

export type Value = string | number;

/** Names and patterns that are given as a list: `a,b_*`; the flag may also be given several times. */
const names = (value: string): string => {
  const list = value.split(",").map((name) => name.trim()).filter(Boolean).join(",");
  if (value !== "" && list === "") throw new RangeError("names nothing");
  return list;
};

export interface Option {
  readonly flag: string;
  /** Environment variables, the first that is set wins. */
  readonly env: readonly string[];
  readonly default: string;
  /** What stands for the value in the help. */
  readonly value: string;
  readonly help: string;
  readonly parse: (text: string) => Value;
  /** Whether giving the flag again adds to the list. */
  readonly list?: true;
}

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

const oneOf = (...choices: readonly string[]) => (value: string): string => {
  if (!choices.includes(value)) throw new RangeError(`is none of ${choices.join(", ")}`);
  return value;
};

/** Milliseconds. */
const LONGEST_LEASE = 24 * 3_600_000;
const UNITS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** @example IN: 250ms → OUT: 250; IN: 2m → OUT: 120000; IN: forever → OUT: Infinity */
export function duration(value: string): number {
  if (value === "forever") return Infinity;
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(value) ?? [];
  if (number === undefined) throw new RangeError("is not a duration such as 250ms, 10s or 2m");
  return Number(number) * (UNITS[unit ?? ""] ?? 1);
}

const SIZES: Readonly<Record<string, number>> = { "": 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

/** @example IN: 16MiB → OUT: 16777216 */
export function byteSize(value: string): number {
  const [, number, unit] = /^(\d+)(kib|mib|gib|)$/i.exec(value) ?? [];
  if (number === undefined || Number(number) === 0) {
    throw new RangeError("is not a size such as 16MiB or 500000");
  }
  return Number(number) * (SIZES[unit?.toLowerCase() ?? ""] ?? 1);
}

/** Text that is kept as it is once it has been seen to make sense. */
const checked = (parse: (text: string) => unknown) => (value: string): string => {
  parse(value);
  return value;
};

const MONGODB_URL: Option = {
  flag: "mongodb-url",
  env: ["MONGODB_URL"],
  default: "mongodb://localhost/",
  value: "URL",
  help: "MongoDB, a replica set or sharded cluster",
  parse: text,
};

const SCOPE: readonly Option[] = [
  {
    flag: "database",
    env: ["MONGODB_DATABASE"],
    default: "",
    value: "NAME,…",
    help:
      "Databases, with * and ? as in a shell; by default all, or testdrive when only --collection is given",
    parse: names,
    list: true,
  },
  {
    flag: "collection",
    env: ["MONGODB_COLLECTION"],
    default: "",
    value: "NAME,…",
    help: "Collections, with * and ?; by default all",
    parse: names,
    list: true,
  },
  {
    flag: "exclude",
    env: ["CDC_EXCLUDE"],
    default: "",
    value: "NAME,…",
    help: "Collections to leave out: collection or database.collection, with * and ?",
    parse: names,
    list: true,
  },
];

const TARGET: readonly Option[] = [
  {
    flag: "database",
    env: ["MONGODB_DATABASE"],
    default: "testdrive",
    value: "NAME",
    help: "Database to write to",
    parse: text,
  },
  {
    flag: "collection",
    env: ["MONGODB_COLLECTION"],
    default: "data",
    value: "NAME",
    help: "Collection to write to",
    parse: text,
  },
];

/** What of the documents is taken. */
const SHAPE: readonly Option[] = [
  {
    flag: "filter",
    env: ["CDC_FILTER"],
    default: "",
    value: "JSON",
    help: "Take only documents that match this MongoDB query (Extended JSON); rows of others are deleted",
    parse: checked((value) => value === "" || parseFilter(value)),
  },
  {
    flag: "only",
    env: ["CDC_ONLY"],
    default: "",
    value: "PATH,…",
    help: "Take only these fields, and _id",
    parse: checked(parsePaths),
    list: true,
  },
  {
    flag: "omit",
    env: ["CDC_OMIT"],
    default: "",
    value: "PATH,…",
    help: "Leave these fields out",
    parse: checked(parsePaths),
    list: true,
  },
  {
    flag: "pipeline",
    env: ["CDC_PIPELINE"],
    default: "",
    value: "JSON",
    help: 'Stages that each document goes through, e.g. [{"$set": {"year": {"$year": "$at"}}}]',
    parse: checked((value) => value === "" || parsePipeline(value)),
  },
];

const COPY: readonly Option[] = [
  {
    flag: "snapshot",
    env: ["CDC_SNAPSHOT"],
    default: "initial",
    value: "initial|never|always|only",
    help: "Copy what is there: at the first start, never, at every start, or copy and exit",
    parse: oneOf("initial", "never", "always", "only"),
  },
  {
    flag: "on-history-lost",
    env: ["CDC_ON_HISTORY_LOST"],
    default: "recopy",
    value: "recopy|fail",
    help:
      "When MongoDB no longer has the changes since the saved position: copy again and remove rows whose documents are gone, or stop",
    parse: oneOf("recopy", "fail"),
  },
  {
    flag: "full-document",
    env: ["CDC_FULL_DOCUMENT"],
    default: "updateLookup",
    value: "updateLookup|whenAvailable|required",
    help:
      "Where the document of an update comes from: a look-up, its post-image or else a look-up, or its post-image alone",
    parse: oneOf("updateLookup", "whenAvailable", "required"),
  },
];

const RELAY: readonly Option[] = [
  {
    flag: "cratedb-url",
    env: ["CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"],
    default: "crate://",
    value: "URL",
    help:
      "CrateDB: crate://[user:password@]host[:4200] over HTTP, postgresql://crate@host:5432/doc over the wire",
    parse: checked(parseSinkUrl),
  },
  {
    flag: "table",
    env: ["CRATEDB_TABLE"],
    default: "",
    value: "[SCHEMA.]TABLE",
    help:
      "Table that the documents land in, with {database} and {collection}; by default cdc-testdrive for testdrive.data, else {database}.{collection}",
    parse: checked((value) => value === "" || tableName(value, "doc")),
  },
  {
    flag: "columns",
    env: ["CDC_COLUMNS"],
    default: "typed",
    value: "typed|dynamic|ignored",
    help:
      "Columns below `data`: made here by BSON type, inferred by CrateDB, or none (OBJECT(IGNORED), not indexed)",
    parse: oneOf("typed", "dynamic", "ignored"),
  },
  {
    flag: "widen",
    env: ["CDC_WIDEN"],
    default: "on",
    value: "on|off",
    help: "Make a BIGINT column DOUBLE PRECISION when fractions arrive; off leaves them in `overflow`",
    parse: oneOf("on", "off"),
  },
  {
    flag: "widen-rows",
    env: ["CDC_WIDEN_ROWS"],
    default: "2000000",
    value: "N",
    help:
      "Widen columns of tables of up to so many rows: the table is copied for it, and not written to meanwhile",
    parse: count(0),
  },
  {
    flag: "on-drop",
    env: ["CDC_ON_DROP"],
    default: "keep",
    value: "keep|truncate|drop",
    help:
      "What becomes of the rows when the collection is dropped or renamed: they stay, go, or go with the table",
    parse: oneOf("keep", "truncate", "drop"),
  },
  {
    flag: "batch-size",
    env: ["CDC_BATCH_SIZE"],
    default: "10000",
    value: "N",
    help: "Events taken into one batch at most",
    parse: count(1),
  },
  {
    flag: "batch-bytes",
    env: ["CDC_BATCH_BYTES"],
    default: "16MiB",
    value: "SIZE",
    help: "Bytes of events taken into one batch at most",
    parse: byteSize,
  },
  {
    flag: "statement-rows",
    env: ["CDC_STATEMENT_ROWS"],
    default: "2500",
    value: "N",
    help: "Rows in one statement at most",
    parse: count(1),
  },
  {
    flag: "statement-bytes",
    env: ["CDC_STATEMENT_BYTES"],
    default: "4MiB",
    value: "SIZE",
    help: "Bytes in one statement at most, a single larger row aside",
    parse: byteSize,
  },
  {
    flag: "in-flight",
    env: ["CDC_IN_FLIGHT"],
    default: "4",
    value: "N",
    help: "Statements sent at once",
    parse: count(1),
  },
  {
    flag: "refresh-interval",
    env: ["CDC_REFRESH_INTERVAL"],
    default: "1s",
    value: "TIME",
    help: "Under load, how often what was written is made visible; when idle it is at once",
    parse: duration,
  },
  {
    flag: "save-interval",
    env: ["CDC_SAVE_INTERVAL"],
    default: "200ms",
    value: "TIME",
    help: "Under load, how often the position is saved",
    parse: duration,
  },
  {
    flag: "lease",
    env: ["CDC_LEASE"],
    default: "10s",
    value: "TIME",
    help: "How long a stream stays reserved for a relay that shows no sign of life",
    parse: (value) => {
      const time = duration(value);
      if (time < 1_000 || time > LONGEST_LEASE) throw new RangeError("is not a time from 1s to 24h");
      return time;
    },
  },
  {
    flag: "retry-for",
    env: ["CDC_RETRY_FOR"],
    default: "forever",
    value: "TIME",
    help: "How long a database that went away is waited for",
    parse: duration,
  },
];

const WORKLOAD: readonly Option[] = [
  {
    flag: "count",
    env: ["WORKLOAD_COUNT"],
    default: "1",
    value: "N",
    help: "Operations; 1 inserts the example record and prints its id",
    parse: count(1),
  },
  {
    flag: "rate",
    env: ["WORKLOAD_RATE"],
    default: "0",
    value: "N",
    help: "Operations a second at most; 0 for as many as possible",
    parse: count(0),
  },
  {
    flag: "mix",
    env: ["WORKLOAD_MIX"],
    default: "insert=100",
    value: "OP=WEIGHT,…",
    help: "Weights of insert, update, replace and delete, e.g. insert=70,update=20,replace=5,delete=5",
    parse: checked(parseMix),
  },
  {
    flag: "seed",
    env: ["WORKLOAD_SEED"],
    default: "random",
    value: "N",
    help: "The same seed makes the same operations, ids included",
    parse: (value) => value === "random" ? Math.floor(Math.random() * 2 ** 32) : count(0)(value),
  },
];

const LOG_FORMAT: Option = {
  flag: "log-format",
  env: ["LOG_FORMAT"],
  default: "text",
  value: "text|json",
  help: "Form of the log lines on standard error",
  parse: oneOf("text", "json"),
};

const LOG_LEVEL: Option = {
  flag: "log-level",
  env: ["LOG_LEVEL"],
  default: "info",
  value: "debug|info|warn|error",
  help: "The least that is logged",
  parse: oneOf("debug", "info", "warn", "error"),
};

export const LOGGING: readonly Option[] = [LOG_FORMAT, LOG_LEVEL];

/** What the demo is told; it starts the servers that are not named. */
const DEMO = [
  {
    ...MONGODB_URL,
    default: "",
    help: "MongoDB to use, a replica set; by default one is started",
    parse: String,
  },
  {
    flag: "cratedb-url",
    env: ["CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"],
    default: "",
    value: "URL",
    help: "CrateDB or PostgreSQL to use; by default one is started",
    parse: checked((value) => value === "" || parseSinkUrl(value)),
  },
  {
    flag: "count",
    env: ["DEMO_COUNT"],
    default: "5000",
    value: "N",
    help: "Operations of the load",
    parse: count(1),
  },
  {
    flag: "servers",
    env: ["DEMO_SERVERS"],
    default: "stop",
    value: "stop|keep",
    help: "What becomes of servers and data at the end: removed at once, or kept until Ctrl-C",
    parse: oneOf("stop", "keep"),
  },
] as const satisfies readonly Option[];

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
  "cdc-relay": [MONGODB_URL, ...SCOPE, ...RELAY, ...SHAPE, ...COPY, ...LOGGING],
  "db-workload": [MONGODB_URL, ...TARGET, ...WORKLOAD, ...LOGGING],
  // The relay's log is for those who ask for it.
  "demo": [...DEMO, LOG_FORMAT, { ...LOG_LEVEL, default: "warn" }],
} as const satisfies Readonly<Record<string, readonly Option[]>>;

/**
 * The value of an option: the flag's, else the environment's, else the default.
 *
 * @throws UsageError that names where the bad value came from
 */
export function valueOf(option: Option, given: { flags: Flags; env: Environment }): Value {
  const variable = option.env.find((name) => given.env[name] !== undefined && given.env[name] !== "");
  const flag = given.flags[option.flag];
  if (flag === "") {
    throw new UsageError(`--${option.flag} is empty`, { hint: `${option.help}.` });
  }
  const [source, value] = flag !== undefined
    ? [`--${option.flag}`, flag]
    : variable !== undefined
    ? [variable, given.env[variable] ?? ""]
    : [`--${option.flag}`, option.default];
  try {
    return option.parse(value);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${source}: ${error.message}`, error);
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`${source} ${error.message}: current value is ${JSON.stringify(value)}`, {
      hint: `${option.help}.${option.default === "" ? "" : ` Default: ${option.default}`}`,
    });
  }
}

export type Flags = Readonly<Record<string, string | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;
