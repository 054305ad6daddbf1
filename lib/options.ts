/** The options: flag, environment variable, default, check and help of each in one table. */
import { UsageError } from "./errors.ts";
import { tableName } from "./sink/names.ts";
import { parseSinkUrl } from "./sink/url.ts";

export type Value = string | number;

export interface Option {
  readonly flag: string;
  /** Environment variables, the first that is set wins. */
  readonly env: readonly string[];
  readonly default: string;
  /** What stands for the value in the help. */
  readonly value: string;
  readonly help: string;
  readonly parse: (text: string) => Value;
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

export type Operation = "insert" | "update" | "replace" | "delete";

const OPERATIONS: readonly Operation[] = ["insert", "update", "replace", "delete"];

/**
 * @example
 * IN: insert=70,delete=30 → OUT: {insert: 70, update: 0, replace: 0, delete: 30}
 *
 * @throws RangeError
 */
export function parseMix(text: string): Readonly<Record<Operation, number>> {
  const mix = { insert: 0, update: 0, replace: 0, delete: 0 };
  for (const part of text.split(",")) {
    const [, operation, weight] = /^\s*(\w+)=(\d+(?:\.\d+)?)\s*$/.exec(part) ?? [];
    if (!OPERATIONS.includes(operation as Operation) || weight === undefined) {
      throw new RangeError(`cannot be understood at ${JSON.stringify(part)}`);
    }
    mix[operation as Operation] = Number(weight);
  }
  if (mix.insert === 0) throw new RangeError("has no insert, so there would be nothing to change");
  return Object.freeze(mix);
}

/** Text that is kept as it is once it has been seen to make sense. */
const checked = (parse: (text: string) => unknown) => (value: string): string => {
  parse(value);
  return value;
};

const MONGODB: readonly Option[] = [
  {
    flag: "mongodb-url",
    env: ["MONGODB_URL"],
    default: "mongodb://localhost/",
    value: "URL",
    help: "MongoDB, a replica set or sharded cluster",
    parse: text,
  },
  {
    flag: "database",
    env: ["MONGODB_DATABASE"],
    default: "testdrive",
    value: "NAME",
    help: "Database",
    parse: text,
  },
  {
    flag: "collection",
    env: ["MONGODB_COLLECTION"],
    default: "data",
    value: "NAME",
    help: "Collection",
    parse: text,
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
    default: "cdc-testdrive",
    value: "[SCHEMA.]TABLE",
    help: "Table that the documents land in",
    parse: checked((value) => tableName(text(value), "doc")),
  },
  {
    flag: "on-drop",
    env: ["ON_DROP"],
    default: "keep",
    value: "keep|truncate",
    help: "What becomes of the rows when the collection is dropped or renamed",
    parse: oneOf("keep", "truncate"),
  },
  {
    flag: "batch-size",
    env: ["BATCH_SIZE"],
    default: "10000",
    value: "N",
    help: "Events taken into one batch at most",
    parse: count(1),
  },
  {
    flag: "batch-bytes",
    env: ["BATCH_BYTES"],
    default: "16MiB",
    value: "SIZE",
    help: "Bytes of events taken into one batch at most",
    parse: byteSize,
  },
  {
    flag: "statement-rows",
    env: ["STATEMENT_ROWS"],
    default: "2500",
    value: "N",
    help: "Rows in one statement at most",
    parse: count(1),
  },
  {
    flag: "statement-bytes",
    env: ["STATEMENT_BYTES"],
    default: "4MiB",
    value: "SIZE",
    help: "Bytes in one statement at most, a single larger row aside",
    parse: byteSize,
  },
  {
    flag: "in-flight",
    env: ["IN_FLIGHT"],
    default: "4",
    value: "N",
    help: "Statements sent at once",
    parse: count(1),
  },
  {
    flag: "refresh-interval",
    env: ["REFRESH_INTERVAL"],
    default: "1s",
    value: "TIME",
    help: "Under load, how often what was written is made visible; when idle it is at once",
    parse: duration,
  },
  {
    flag: "save-interval",
    env: ["SAVE_INTERVAL"],
    default: "200ms",
    value: "TIME",
    help: "Under load, how often the position is saved",
    parse: duration,
  },
  {
    flag: "lease",
    env: ["LEASE"],
    default: "10s",
    value: "TIME",
    help: "How long a stream stays reserved for a relay that shows no sign of life",
    parse: (value) => {
      const time = duration(value);
      if (time < 1_000 || time === Infinity) throw new RangeError("is not a time of at least 1s");
      return time;
    },
  },
  {
    flag: "retry-for",
    env: ["RETRY_FOR"],
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

export const LOGGING: readonly Option[] = [
  {
    flag: "log-format",
    env: ["LOG_FORMAT"],
    default: "text",
    value: "text|json",
    help: "Form of the log lines on standard error",
    parse: oneOf("text", "json"),
  },
  {
    flag: "log-level",
    env: ["LOG_LEVEL"],
    default: "info",
    value: "debug|info|warn|error",
    help: "The least that is logged",
    parse: oneOf("debug", "info", "warn", "error"),
  },
];

export const OPTIONS = {
  "cdc-relay": [...MONGODB, ...RELAY, ...LOGGING],
  "db-workload": [...MONGODB, ...WORKLOAD, ...LOGGING],
} as const satisfies Readonly<Record<string, readonly Option[]>>;

/**
 * The value of an option: the flag's, else the environment's, else the default.
 *
 * @throws UsageError that names where the bad value came from
 */
export function valueOf(option: Option, given: { flags: Flags; env: Environment }): Value {
  const variable = option.env.find((name) => given.env[name] !== undefined && given.env[name] !== "");
  const flag = given.flags[option.flag];
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
      hint: `${option.help}. Default: ${option.default}`,
    });
  }
}

export type Flags = Readonly<Record<string, string | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;
