/** The options of a relay: source, target, documents to replicate, and rows. */
import { parseWorker } from "../key/worker.ts";
import { parseListenAddress } from "../monitor/listen_address.ts";
import { parseSinkUrl } from "../sink/connection/url.ts";
import { tableName } from "../sink/sql/sql_names.ts";
import { parseFilter, parseOmitted, parsePaths, parsePipeline } from "../source/documents/transform.ts";
import { WEB_TOKEN } from "../util/web_token.ts";
import {
  CERTIFICATE_FILE,
  checked,
  count,
  DURATION,
  type Json,
  json,
  list,
  NAMES,
  oneOf,
  optional,
  PRIVATE_KEY_FILE,
  secret,
  SIZE,
  text,
  textual,
} from "./kinds.ts";
import { inGroup } from "./option.ts";

const connection = inGroup("source", "process");
const source = inGroup("source", "stream");

export const MONGODB = {
  mongodbUrl: connection(secret(text("URL")), {
    env: ["MONGODB_URL"],
    default: "mongodb://localhost/",
    help: "MongoDB, a replica set or sharded cluster",
  }),
};

export const SCOPE = {
  database: source(NAMES, {
    env: ["MONGODB_DATABASE"],
    default: "",
    help: "Databases, with * and ?; by default testdrive",
    details: "'*' is all databases of the deployment.",
  }),
  collection: source(NAMES, {
    env: ["MONGODB_COLLECTION"],
    default: "",
    help: "Collections, with * and ?; by default all of --database",
    details: "Without --database the default is data.",
  }),
  exclude: source(NAMES, {
    default: "",
    help: "Collections to exclude: collection or database.collection",
    details: "Names may have * and ?.",
  }),
};

/** Which parts of the documents are replicated. */
export const TRANSFORM = {
  filter: inGroup("source", "collection")(optional(json<ReturnType<typeof parseFilter>, Json>(parseFilter)), {
    default: "",
    help: "Only documents that match this MongoDB query (Extended JSON)",
    details: "Rows of other documents are deleted.",
  }),
  only: inGroup("source", "collection")(list("PATH,…", parsePaths), {
    default: "",
    help: "Only these fields, and _id",
  }),
  omit: inGroup("source", "collection")(list("PATH,…", parseOmitted), {
    default: "",
    help: "Omit these fields",
  }),
  pipeline: inGroup("source", "collection")(
    optional(json<ReturnType<typeof parsePipeline>, readonly Json[]>(parsePipeline)),
    {
      default: "",
      help: 'Apply aggregation stages, e.g. [{"$set": {"a": "$b.c"}}]',
    },
  ),
  fullDocument: inGroup("source", "collection")(
    oneOf("lookup", "updateLookup", "whenAvailable", "required"),
    {
      default: "lookup",
      help: "Source of an updated document: bulk reads, or post-images",
      details:
        "lookup reads them in bulk, updateLookup one for each event; whenAvailable takes the post-image " +
        "or else reads, required takes post-images only.",
    },
  ),
};

const login = inGroup("target", "process");

export const CRATEDB = {
  cratedbUrl: login(secret(textual("URL", parseSinkUrl)), {
    env: ["CRATEDB_URL", "CRATEDB_SQLALCHEMY_URL"],
    default: "crate://",
    help: "CrateDB: crate:// for HTTP, postgresql:// for the wire",
    details: "crate://[user:password@]host[:4200] or postgresql://crate@host:5432/doc.",
  }),
  cratedbJwt: login(
    optional(secret(checked(
      textual("TOKEN", String),
      (value) => ONE_WEB_TOKEN.test(value) ? undefined : "is not a JSON Web Token",
    ))),
    {
      env: ["CRATEDB_JWT"],
      default: "",
      help: "JSON Web Token to log in with, instead of a password",
    },
  ),
  cratedbCa: login(optional(CERTIFICATE_FILE), {
    env: ["CRATEDB_CA"],
    default: "",
    help: "CA bundle (PEM) to verify CrateDB's certificate with",
    details: "It replaces the CAs of the system.",
  }),
  cratedbCert: login(optional(CERTIFICATE_FILE), {
    env: ["CRATEDB_CERT"],
    default: "",
    help: "Client certificate (PEM) to log in with",
    details: "--cratedb-key has its key.",
  }),
  cratedbKey: login(optional(PRIVATE_KEY_FILE), {
    env: ["CRATEDB_KEY"],
    default: "",
    help: "Private key (PEM) of --cratedb-cert",
  }),
};

const ONE_WEB_TOKEN = new RegExp(`^${WEB_TOKEN.source}$`);

const target = inGroup("target", "collection");

/** The rows: their tables, and what becomes of them. */
export const TABLES = {
  table: target(
    // Kept as text: the server has the default schema.
    checked(textual("[SCHEMA.]TABLE", String), (value) => {
      if (value !== "") tableName(value, "doc");
      return undefined;
    }),
    {
      env: ["CRATEDB_TABLE"],
      default: "",
      help: "Table name; may contain {database} and {collection}",
      details: "The default is cdc-testdrive for testdrive.data, and {database}.{collection} for the others.",
    },
  ),
  shards: target(optional(count(1)), {
    default: "",
    help: "Shards of created tables; by default CrateDB's own number",
    details: "Fewer shards take less work to refresh.",
  }),
  onDrop: target(oneOf("keep", "truncate", "drop"), {
    default: "keep",
    help: "After a drop or rename: keep rows, delete rows, drop the table",
  }),
};

const rows = inGroup("rows", "collection");

export const ROWS = {
  key: rows(oneOf("_id", "documentKey"), {
    default: "_id",
    help: "Value of oid; documentKey includes the shard key",
    details: "Use documentKey if _id is not unique across shards.",
  }),
  columns: rows(oneOf("typed", "dynamic", "ignored"), {
    default: "typed",
    help: "Columns in data: by BSON type, inferred by CrateDB, or none",
    details: "ignored is OBJECT(IGNORED), which has no index.",
  }),
  widen: rows(oneOf("on", "off"), {
    default: "on",
    help: "Change a BIGINT column to DOUBLE PRECISION for fractions",
    details: "off writes fractions to overflow.",
  }),
  widenRows: rows(count(0), {
    default: "2000000",
    help: "Widen columns only in tables of up to this many rows",
    details: "Widening rebuilds the table; until it is done, nothing is written to it.",
  }),
  maxDeadLetters: inGroup("rows", "stream")(count(0), {
    default: "1000",
    help: "Stop after more dead letters than this in succession",
    details: "A written row starts the count again; 0 stops at the first dead letter.",
  }),
};

const snapshot = inGroup("snapshot", "stream");

export const SNAPSHOT = {
  snapshot: snapshot(oneOf("initial", "never", "always", "only"), {
    default: "initial",
    help: "Copy documents: at the first start, never, at each start, or only copy",
    details: "only applies the changes since the start as well, and exits.",
  }),
  snapshotLanes: snapshot(count(1), {
    default: "4",
    help: "Key ranges to copy at the same time",
    details: "They are of one collection, or of several.",
  }),
  snapshotRate: snapshot(count(0), {
    default: "0",
    help: "Documents to read per second at most; 0 for no limit",
  }),
  onHistoryLost: snapshot(oneOf("recopy", "fail"), {
    default: "recopy",
    help: "If the oplog lost changes: take a new snapshot, or fail",
    details: "The new snapshot deletes stale rows.",
  }),
};

const memory = inGroup("performance", "process");
const performance = inGroup("performance", "stream");

/** Also the limit of what statements of a few rows each need: with less a snapshot would not end. */
const LEAST_MEMORY_BYTES = 16 * 2 ** 20;

export const MEMORY = {
  maxMemory: memory(
    checked(SIZE, (size) => size < LEAST_MEMORY_BYTES ? "is less than 16MiB" : undefined),
    {
      default: "256MiB",
      help: "Memory for data in transit; sizes batches and statements",
      details: "The runtime needs its own memory besides.",
    },
  ),
};

export const STATEMENTS = {
  statementRows: performance(count(1), { default: "2500", help: "Rows in one statement at most" }),
  statementBytes: performance(optional(SIZE), {
    default: "",
    help: "Bytes in one statement at most; by default 1/128 of --max-memory",
    details: "A larger row is sent alone.",
  }),
  inFlight: performance(count(1), { default: "4", help: "Statements to send at the same time" }),
};

export const BATCHES = {
  batchSize: performance(count(1), { default: "10000", help: "Events in one batch at most" }),
  batchBytes: performance(optional(SIZE), {
    default: "",
    help: "Bytes in one batch at most; by default 1/32 of --max-memory",
  }),
  refreshInterval: performance(DURATION, {
    default: "1s",
    help: "Longest pause between refreshes of a table",
    details: "A refresh makes rows visible.",
  }),
  saveInterval: performance(DURATION, {
    default: "200ms",
    help: "Interval to save the position at, under load",
  }),
};

const operation = inGroup("operation", "stream");

const SHORTEST_LEASE_MS = 1_000;
const LONGEST_LEASE_MS = 24 * 3_600_000;

export const LEASE = {
  lease: operation(
    checked(
      DURATION,
      (time) =>
        time < SHORTEST_LEASE_MS || time > LONGEST_LEASE_MS
          ? "is not from 1s to 24h (a number without a unit is milliseconds)"
          : undefined,
    ),
    { default: "10s", help: "Time until another relay can take over from one that hangs" },
  ),
  retryFor: operation(DURATION, { default: "forever", help: "Time to retry a database that fails" }),
};

export const WORKERS = {
  worker: operation(optional(textual("K/N", parseWorker)), {
    default: "",
    help: "Experimental: replicate part K of N (from 0) of the documents",
    details: "The parts are by a hash of _id. Each of the N relays has its own position and lease.",
  }),
  onHeld: operation(oneOf("fail", "wait"), {
    default: "fail",
    help: "If another relay holds the stream: fail, or wait on standby",
    switches: { standby: "wait" },
  }),
};

const monitor = inGroup("operation", "process");

export const MAX_LAG = monitor(DURATION, {
  default: "1m",
  help: "Lag up to which /readyz reports the relay as ready",
});

export const MONITORING = {
  listen: monitor(optional(textual("HOST:PORT", parseListenAddress)), {
    default: "",
    help: "Serve /metrics, /healthz, /readyz, /status over HTTP",
    details: "For example 127.0.0.1:9464; off by default.",
  }),
  maxLag: MAX_LAG,
};
