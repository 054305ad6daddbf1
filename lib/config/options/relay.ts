/** Options of `cdc-relay`. */
import { parseWorker } from "../../key/worker.ts";
import { parseListenAddress } from "../../monitor/listen_address.ts";
import { tableName } from "../../sink/sql/names.ts";
import { option } from "./option.ts";
import { byteSize, count, duration, oneOf, optional } from "./parsers.ts";
import { SINK } from "./sink.ts";

const SHORTEST_LEASE_MS = 1_000;

const LONGEST_LEASE_MS = 24 * 3_600_000;

/** With less, statements have a few rows each, and a snapshot never ends. */
const LEAST_MEMORY_BYTES = 16 * 2 ** 20;

/** Checks a table's name and keeps it as text, because the default schema is not known yet. */
function checkedTable(value: string): string {
  if (value !== "") tableName(value, "doc");
  return value;
}

export const SNAPSHOT = [
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

export const RELAY = [
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
    flag: "worker",
    env: ["CDC_WORKER"],
    default: "",
    value: "K/N",
    help:
      "Take part K of N of the documents, by a hash of _id; K starts at 0. N relays share the work, each with its own position and lease",
    parse: optional(parseWorker),
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
    flag: "max-dead-letters",
    env: ["CDC_MAX_DEAD_LETTERS"],
    default: "1000",
    value: "N",
    help:
      "Stop when more than N documents in succession can't be stored and no row is written between them; 0 stops at the first one",
    parse: count(0),
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
    parse: (value) => {
      const size = byteSize(value);
      if (size < LEAST_MEMORY_BYTES) throw new RangeError("is less than 16MiB");
      return size;
    },
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
    help: "How long a relay that stops answering keeps its stream before another one can take over",
    parse: (value) => {
      const time = duration(value);
      if (time < SHORTEST_LEASE_MS || time > LONGEST_LEASE_MS) {
        throw new RangeError("is not from 1s to 24h (a number without a unit is milliseconds)");
      }
      return time;
    },
  }),
  option({
    flag: "on-held",
    env: ["CDC_ON_HELD"],
    default: "fail",
    value: "fail|wait",
    help: "If another relay follows the stream: end with an error, or wait and take over when it ends",
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

export const MAX_LAG = option({
  flag: "max-lag",
  env: ["CDC_MAX_LAG"],
  default: "1m",
  value: "TIME",
  help: "How far behind the tables may be for /readyz to say that the relay is ready",
  parse: duration,
});

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
  MAX_LAG,
] as const;
