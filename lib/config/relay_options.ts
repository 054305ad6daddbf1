/** The options of a relay, as data. */
import type { OptionTable } from "./option.ts";
import { DESIGN, NEW_TABLES } from "./table_options.ts";

export const MONGODB = {
  mongodbUrl: {
    type: "text",
    placeholder: "URL",
    env: ["MONGODB_URL"],
    secret: true,
    default: "mongodb://localhost/",
    help: "MongoDB, a replica set or sharded cluster",
  },
} as const satisfies OptionTable;

export const CRATEDB = {
  cratedbUrl: {
    type: "sinkUrl",
    env: ["CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"],
    secret: true,
    default: "crate://",
    help: "CrateDB: crate:// for HTTP, postgresql:// for the wire",
    details:
      "crate://[user:password@]host[:4200] or postgresql://crate@host:5432/doc. Several nodes of a cluster: " +
      "crate://a:4200,b:4200; statements go to the first one that answers.",
  },
  cratedbJwt: {
    type: "token",
    env: ["CRATEDB_JWT"],
    secret: true,
    help: "JSON Web Token to log in with, instead of a password",
  },
  cratedbCa: {
    type: "certificate",
    env: ["CRATEDB_CA"],
    help: "CA bundle (PEM) to verify CrateDB's certificate with",
    details: "It replaces the CAs of the system.",
  },
  cratedbCert: {
    type: "certificate",
    env: ["CRATEDB_CERT"],
    help: "Client certificate (PEM) to log in with",
    details: "--cratedb-key has its key.",
  },
  cratedbKey: { type: "privateKey", env: ["CRATEDB_KEY"], help: "Private key (PEM) of --cratedb-cert" },
} as const satisfies OptionTable;

export const MEMORY = {
  maxMemory: {
    type: "size",
    // With less, statements have a few rows each, and a snapshot does not end.
    least: "16MiB",
    default: "256MiB",
    help: "Memory for data in transit; sizes batches and statements",
    details: "The runtime needs its own memory besides.",
  },
} as const satisfies OptionTable;

export const SCOPE = {
  database: {
    type: "names",
    env: ["MONGODB_DATABASE"],
    help: "Databases, with * and ?; by default testdrive",
    details: "'*' is all databases of the deployment.",
  },
  collection: {
    type: "names",
    env: ["MONGODB_COLLECTION"],
    help: "Collections, with * and ?; by default all of --database",
    details: "Without --database the default is data.",
  },
  exclude: {
    type: "names",
    help: "Collections to exclude: collection or database.collection",
    details: "Names may have * and ?.",
  },
} as const satisfies OptionTable;

/** With one value for each stream. */
export const STREAM = {
  snapshot: {
    type: "choice",
    choices: ["initial", "never", "always", "only"],
    default: "initial",
    help: "Copy documents: at the first start, never, at each start, or only copy",
    details: "only also applies the changes since the start, and exits.",
  },
  startAt: {
    type: "time",
    help: "With --snapshot never: follow from this time, at the first start",
    details:
      "A time such as 2026-01-31T12:00:00Z, or an operation time T:I. Refused if the oplog does not go back that far.",
  },
  snapshotLanes: {
    type: "count",
    least: 1,
    default: "4",
    help: "Key ranges to copy at the same time",
    details: "They are of one collection, or of several.",
  },
  snapshotRate: { type: "count", default: "0", help: "Documents to read per second at most; 0 for no limit" },
  snapshotOrder: {
    type: "choice",
    choices: ["key", "natural"],
    default: "key",
    help: "Copy in the order of _id, or of the records on disk",
    details: "If MongoDB refuses natural, the relay uses key.",
  },
  snapshotReadPreference: {
    type: "choice",
    choices: ["primary", "secondary"],
    default: "primary",
    help: "Copy and verify from the primary, or from a secondary",
    details: "The primary stands in for secondaries that do not answer.",
  },
  onHistoryLost: {
    type: "choice",
    choices: ["recopy", "fail"],
    default: "recopy",
    help: "If the oplog lost changes: take a new snapshot, or fail",
    details: "The new snapshot deletes stale rows.",
  },
  maxDeadLetters: {
    type: "count",
    default: "1000",
    help: "Stop after more dead letters than this in succession",
    details: "A written row starts the count again; 0 stops at the first dead letter.",
  },
  batchSize: { type: "count", least: 1, default: "5000", help: "Events in one batch at most" },
  batchBytes: { type: "size", help: "Bytes in one batch at most; by default 1/32 of --max-memory" },
  refreshInterval: {
    type: "duration",
    default: "1s",
    help: "Longest pause between refreshes of a table",
    details: "A refresh makes rows visible.",
  },
  saveInterval: { type: "duration", default: "200ms", help: "Interval to save the position at, under load" },
  statementRows: {
    type: "count",
    least: 1,
    default: "1250",
    help: "Rows in one statement at most; fewer under overload",
  },
  statementBytes: {
    type: "size",
    help: "Bytes in one statement at most; by default 1/128 of --max-memory",
    details: "A larger row is sent alone.",
  },
  inFlight: {
    type: "count",
    least: 1,
    default: "4",
    help: "Statements to send at the same time at most, for each table",
  },
  lease: {
    type: "duration",
    within: ["1s", "24h"],
    default: "10s",
    help: "Time until another relay can take over from one that hangs",
  },
  retryFor: { type: "duration", default: "forever", help: "Time to retry a database that fails" },
  worker: {
    type: "worker",
    help: "Experimental: replicate part K of N (from 0) of the documents",
    details: "The parts are by a hash of _id. Each of the N relays has its own position and lease.",
  },
  onHeld: {
    type: "choice",
    choices: ["fail", "wait"],
    default: "fail",
    help: "If another relay has the stream: fail, or wait on standby",
    switches: { standby: "wait" },
  },
} as const satisfies OptionTable;

/** Each collection may have a value for these. */
const OF_EACH = {
  filter: {
    type: "filter",
    help: "Only documents that match this MongoDB query (Extended JSON)",
    details: "Rows of other documents are deleted.",
  },
  only: { type: "paths", help: "Only these fields, and _id" },
  omit: { type: "omittedPaths", help: "Omit these fields" },
  pipeline: { type: "pipeline", help: 'Apply aggregation stages, e.g. [{"$set": {"a": "$b.c"}}]' },
  fullDocument: {
    type: "choice",
    choices: ["lookup", "updateLookup", "whenAvailable", "required"],
    default: "lookup",
    help: "Source of an updated document: bulk reads, or post-images",
    details:
      "lookup reads in bulk, updateLookup once for each event; whenAvailable uses the post-image or else reads, required uses only post-images.",
  },
  table: {
    type: "table",
    env: ["CRATEDB_TABLE"],
    help: "Table name; may contain {database} and {collection}",
    details: "The default is cdc-testdrive for testdrive.data, and {database}.{collection} for the others.",
  },
  ...NEW_TABLES,
  onDrop: {
    type: "choice",
    choices: ["keep", "truncate", "drop"],
    default: "keep",
    help: "After a drop or rename: keep rows, delete rows, drop the table",
  },
  deletes: {
    type: "choice",
    choices: ["hard", "soft", "keep"],
    default: "hard",
    help: "After a delete: remove the row, mark it, or keep it",
    details: "soft sets cdc['deleted_at'], and the view {table}_live has the other rows.",
  },
  metadata: {
    type: "choice",
    choices: ["off", "on"],
    default: "off",
    help: "Operation and time of each change in the column cdc",
  },
  key: {
    type: "choice",
    choices: ["_id", "documentKey"],
    default: "_id",
    help: "Value of oid; documentKey includes the shard key",
    details: "Use documentKey if _id is not unique across shards.",
  },
  columns: {
    type: "choice",
    choices: ["typed", "dynamic", "ignored"],
    default: "typed",
    help: "Columns in data: by BSON type, inferred by CrateDB, or none",
    details: "ignored is OBJECT(IGNORED), which has no index.",
  },
  widen: {
    type: "choice",
    choices: ["on", "off"],
    default: "on",
    help: "Change a BIGINT column to DOUBLE PRECISION for fractions",
    details: "off writes fractions to overflow.",
  },
  widenRows: {
    type: "count",
    default: "2000000",
    help: "Widen columns only in tables of up to this many rows",
    details: "Widening rebuilds the table; until it is done, nothing is written to it.",
  },
} as const satisfies OptionTable;

export const COLLECTION: typeof OF_EACH & typeof DESIGN = { ...OF_EACH, ...DESIGN };

export const MONITORING = {
  listen: {
    type: "address",
    help: "Serve /metrics, /healthz, /readyz, /status, /events",
    details: "For example 127.0.0.1:9464; off by default.",
  },
  controlToken: {
    type: "password",
    secret: true,
    help: "Let the page at / and POST /control steer the relay",
    details: "Requests need this token, of 16 characters or more.",
  },
  onEventUrl: {
    type: "webhook",
    secret: true,
    help: "POST events that need attention to this URL, as JSON",
    details: "At most one for each kind of event in 15 minutes. hooks in the file has more.",
  },
  maxLag: { type: "duration", default: "1m", help: "Lag up to which /readyz reports the relay as ready" },
} as const satisfies OptionTable;

/** Only a file has these. */
export const HOOKS = {
  hooks: {
    type: "hooks",
    env: [],
    secret: true,
    help: "Receivers of events: url (with format: slack or json), or exec (a program and its arguments)",
    details:
      "kinds selects events; by default those that need attention. exec needs --allow-run=PROGRAM for Deno, after -P=production.",
  },
} as const satisfies OptionTable;

/** Of a process with a file. */
export const SUPERVISION = {
  onFailure: {
    type: "choice",
    choices: ["restart", "end"],
    default: "restart",
    help: "If a stream fails: restart it, or end the process",
    switches: { "fail-fast": "end" },
  },
} as const satisfies OptionTable;

export const OUTPUT = {
  output: {
    type: "choice",
    choices: ["text", "json"],
    default: "text",
    help: "Format of the result on standard output",
    switches: { json: "json" },
  },
} as const satisfies OptionTable;

/** The file, and the part of it that a command is about. */
export const FILE = {
  config: {
    type: "text",
    placeholder: "FILE",
    help: "File with the settings of all streams",
    details: "docs/configuration.md describes it.",
  },
  stream: { type: "text", help: "Only this stream of the file" },
} as const satisfies OptionTable;

export const RELAY:
  & typeof MONGODB
  & typeof CRATEDB
  & typeof MEMORY
  & typeof SCOPE
  & typeof STREAM
  & typeof COLLECTION = { ...MONGODB, ...CRATEDB, ...MEMORY, ...SCOPE, ...STREAM, ...COLLECTION };

/** How a running relay takes a new value from its file: at once, for later rows, with a snapshot. Others need a restart. */
const RELOAD = {
  "live":
    "snapshotLanes snapshotRate snapshotOrder snapshotReadPreference onHistoryLost maxDeadLetters batchSize batchBytes " +
    "refreshInterval saveInterval statementRows statementBytes inFlight fullDocument widenRows maxLag logLevel",
  "from now on": "omit shards replicas with onDrop widen keep",
  "snapshot": "filter only pipeline key columns",
  "restart": "",
};

export type Reload = keyof typeof RELOAD;

const RELOADS = new Map(
  Object.entries(RELOAD).flatMap(([reload, names]) =>
    names.split(" ").map((name) => [name, reload as Reload] as const)
  ),
);

/** @example IN: omit → OUT: from now on */
export const reloadOf = (name: string): Reload => RELOADS.get(name) ?? "restart";
