/** The options of the library: the flags of the commands, in camel case. Written by `deno task docs`. */

/** A number of bytes, or a text with its unit. @example "256MiB" */
export type Bytes = number | string;
/** A number of milliseconds, or a text with its unit. @example "10s" */
export type Duration = number | string;
/** A document of MongoDB. */
export type Json = Readonly<Record<string, unknown>>;

/** What `startRelay()` follows, and how. */
export interface RelayOptions {
  /** MongoDB, a replica set or sharded cluster. */
  readonly mongodbUrl: string;
  /** Databases, with * and ? as in a shell; by default testdrive. '*' follows the whole deployment. */
  readonly database?: string | readonly string[];
  /** Collections, with * and ?; by default all of the databases that are named, else data. */
  readonly collection?: string | readonly string[];
  /** Collections to leave out: collection or database.collection, with * and ?. */
  readonly exclude?: string | readonly string[];
  /**
   * What oid is made of; documentKey adds the shard key, where _id is not unique among the shards.
   *
   * @default {_id}
   */
  readonly key?: "_id" | "documentKey";
  /**
   * CrateDB: crate://[user:password@]host[:4200] over HTTP, postgresql://crate@host:5432/doc over the wire.
   */
  readonly cratedbUrl: string;
  /** JSON Web Token to log in to CrateDB with, in place of a password. */
  readonly cratedbJwt?: string;
  /** File that has the value of cratedbJwt, as Docker and Kubernetes give secrets. */
  readonly cratedbJwtFile?: string;
  /** CA bundle (PEM) to verify CrateDB's certificate with; replaces the CAs of the system. */
  readonly cratedbCa?: string;
  /** PEM file of the certificate to log in to CrateDB with; cratedbKey has its key. */
  readonly cratedbCert?: string;
  /** PEM file of the private key of cratedbCert. */
  readonly cratedbKey?: string;
  /**
   * Table that the documents land in, with {database} and {collection}; by default cdc-testdrive for
   * testdrive.data, else {database}.{collection}.
   */
  readonly table?: string;
  /**
   * Experimental: replicate part K of N of the documents, by a hash of _id; K starts at 0. N relays divide
   * the work, each with its own position and lease.
   */
  readonly worker?: string;
  /**
   * Columns below `data`: made here by BSON type, inferred by CrateDB, or none (OBJECT(IGNORED), not
   * indexed).
   *
   * @default {typed}
   */
  readonly columns?: "typed" | "dynamic" | "ignored";
  /**
   * Shards of the tables that are made here; by default as many as CrateDB makes. Fewer take less work to
   * refresh.
   */
  readonly shards?: number;
  /**
   * Make a BIGINT column DOUBLE PRECISION when fractions arrive; off leaves them in `overflow`.
   *
   * @default {on}
   */
  readonly widen?: "on" | "off";
  /**
   * Widen columns of tables of up to this many rows: the table is rebuilt for it, and not written to
   * meanwhile.
   *
   * @default {2000000}
   */
  readonly widenRows?: number;
  /**
   * What becomes of the rows when the collection is dropped or renamed: they stay, go, or go with the table.
   *
   * @default {keep}
   */
  readonly onDrop?: "keep" | "truncate" | "drop";
  /**
   * Stop when more than N documents in succession can't be stored and no row is written between them; 0 stops
   * at the first one.
   *
   * @default {1000}
   */
  readonly maxDeadLetters?: number;
  /** Events taken into one batch at most. @default {10000} */
  readonly batchSize?: number;
  /**
   * Memory for data on its way, beside the runtime's own; it sizes replies, batches and statements.
   *
   * @default {256MiB}
   */
  readonly maxMemory?: Bytes;
  /** Bytes of events taken into one batch at most; by default a 32nd of maxMemory. */
  readonly batchBytes?: Bytes;
  /** Rows in one statement at most. @default {2500} */
  readonly statementRows?: number;
  /** Bytes in one statement at most, a single larger row aside; by default a 128th of maxMemory. */
  readonly statementBytes?: Bytes;
  /** Statements sent at once. @default {4} */
  readonly inFlight?: number;
  /** The longest pause before rows are made visible, e.g. while the stream catches up. @default {1s} */
  readonly refreshInterval?: Duration;
  /** Under load, how often the position is saved. @default {200ms} */
  readonly saveInterval?: Duration;
  /**
   * How long a relay that stops answering keeps its stream before another one can take over.
   *
   * @default {10s}
   */
  readonly lease?: Duration;
  /**
   * If another relay follows the stream: end with an error, or wait and take over when it ends.
   *
   * @default {fail}
   */
  readonly onHeld?: "fail" | "wait";
  /** How long a database that went away is waited for. @default {forever} */
  readonly retryFor?: Duration;
  /** Take only documents that match this MongoDB query (Extended JSON); rows of others are deleted. */
  readonly filter?: Json;
  /** Take only these fields, and _id. */
  readonly only?: string | readonly string[];
  /** Leave these fields out. */
  readonly omit?: string | readonly string[];
  /** Stages that each document goes through, e.g. [{"$set": {"year": {"$year": "$at"}}}]. */
  readonly pipeline?: readonly Json[];
  /**
   * Take a snapshot of what is there: at the first start, never, at every start, or take it and exit.
   *
   * @default {initial}
   */
  readonly snapshot?: "initial" | "never" | "always" | "only";
  /** Ranges of keys that a snapshot reads and writes at once, of one collection or several. @default {4} */
  readonly snapshotLanes?: number;
  /** Documents a second that a snapshot reads at most; 0 for as many as possible. @default {0} */
  readonly snapshotRate?: number;
  /**
   * When MongoDB no longer has the changes since the saved position: take a new snapshot and remove rows
   * whose documents are gone, or stop.
   *
   * @default {recopy}
   */
  readonly onHistoryLost?: "recopy" | "fail";
  /**
   * Where the document of an update comes from: look-ups in bulk, one an event, its post-image or else a
   * look-up, or its post-image alone.
   *
   * @default {lookup}
   */
  readonly fullDocument?: "lookup" | "updateLookup" | "whenAvailable" | "required";
}

/** Which streams `status()` reads: that of a relay with these options, or all. */
export interface StatusOptions {
  /**
   * CrateDB: crate://[user:password@]host[:4200] over HTTP, postgresql://crate@host:5432/doc over the wire.
   */
  readonly cratedbUrl: string;
  /** JSON Web Token to log in to CrateDB with, in place of a password. */
  readonly cratedbJwt?: string;
  /** File that has the value of cratedbJwt, as Docker and Kubernetes give secrets. */
  readonly cratedbJwtFile?: string;
  /** CA bundle (PEM) to verify CrateDB's certificate with; replaces the CAs of the system. */
  readonly cratedbCa?: string;
  /** PEM file of the certificate to log in to CrateDB with; cratedbKey has its key. */
  readonly cratedbCert?: string;
  /** PEM file of the private key of cratedbCert. */
  readonly cratedbKey?: string;
  /** How far a stream may be behind; with more the exit code is 4. @default {1m} */
  readonly maxLag?: Duration;
  /** Databases, with * and ? as in a shell; by default testdrive. '*' follows the whole deployment. */
  readonly database?: string | readonly string[];
  /** Collections, with * and ?; by default all of the databases that are named, else data. */
  readonly collection?: string | readonly string[];
  /** Collections to leave out: collection or database.collection, with * and ?. */
  readonly exclude?: string | readonly string[];
  /**
   * Table that the documents land in, with {database} and {collection}; by default cdc-testdrive for
   * testdrive.data, else {database}.{collection}.
   */
  readonly table?: string;
  /**
   * Experimental: replicate part K of N of the documents, by a hash of _id; K starts at 0. N relays divide
   * the work, each with its own position and lease.
   */
  readonly worker?: string;
}

/** What `wait()` waits for: the stream of a relay with these options, or all. */
export interface WaitOptions {
  /** MongoDB, a replica set or sharded cluster. */
  readonly mongodbUrl: string;
  /**
   * CrateDB: crate://[user:password@]host[:4200] over HTTP, postgresql://crate@host:5432/doc over the wire.
   */
  readonly cratedbUrl: string;
  /** JSON Web Token to log in to CrateDB with, in place of a password. */
  readonly cratedbJwt?: string;
  /** File that has the value of cratedbJwt, as Docker and Kubernetes give secrets. */
  readonly cratedbJwtFile?: string;
  /** CA bundle (PEM) to verify CrateDB's certificate with; replaces the CAs of the system. */
  readonly cratedbCa?: string;
  /** PEM file of the certificate to log in to CrateDB with; cratedbKey has its key. */
  readonly cratedbCert?: string;
  /** PEM file of the private key of cratedbCert. */
  readonly cratedbKey?: string;
  /**
   * Wait for all writes up to this time: now by MongoDB's clock, a time such as 2026-01-31T12:00:00Z, or an
   * operation time.
   *
   * @default {now}
   */
  readonly at?: string;
  /** How long to wait at most; the exit code is 4 then. @default {1m} */
  readonly timeout?: Duration;
  /** Databases, with * and ? as in a shell; by default testdrive. '*' follows the whole deployment. */
  readonly database?: string | readonly string[];
  /** Collections, with * and ?; by default all of the databases that are named, else data. */
  readonly collection?: string | readonly string[];
  /** Collections to leave out: collection or database.collection, with * and ?. */
  readonly exclude?: string | readonly string[];
  /**
   * Table that the documents land in, with {database} and {collection}; by default cdc-testdrive for
   * testdrive.data, else {database}.{collection}.
   */
  readonly table?: string;
  /**
   * Experimental: replicate part K of N of the documents, by a hash of _id; K starts at 0. N relays divide
   * the work, each with its own position and lease.
   */
  readonly worker?: string;
}

/** What `verify()` compares, and how: with the options of the relay, and its own. */
export interface VerifyOptions {
  /** MongoDB, a replica set or sharded cluster. */
  readonly mongodbUrl: string;
  /** Databases, with * and ? as in a shell; by default testdrive. '*' follows the whole deployment. */
  readonly database?: string | readonly string[];
  /** Collections, with * and ?; by default all of the databases that are named, else data. */
  readonly collection?: string | readonly string[];
  /** Collections to leave out: collection or database.collection, with * and ?. */
  readonly exclude?: string | readonly string[];
  /**
   * What oid is made of; documentKey adds the shard key, where _id is not unique among the shards.
   *
   * @default {_id}
   */
  readonly key?: "_id" | "documentKey";
  /**
   * CrateDB: crate://[user:password@]host[:4200] over HTTP, postgresql://crate@host:5432/doc over the wire.
   */
  readonly cratedbUrl: string;
  /** JSON Web Token to log in to CrateDB with, in place of a password. */
  readonly cratedbJwt?: string;
  /** File that has the value of cratedbJwt, as Docker and Kubernetes give secrets. */
  readonly cratedbJwtFile?: string;
  /** CA bundle (PEM) to verify CrateDB's certificate with; replaces the CAs of the system. */
  readonly cratedbCa?: string;
  /** PEM file of the certificate to log in to CrateDB with; cratedbKey has its key. */
  readonly cratedbCert?: string;
  /** PEM file of the private key of cratedbCert. */
  readonly cratedbKey?: string;
  /**
   * Table that the documents land in, with {database} and {collection}; by default cdc-testdrive for
   * testdrive.data, else {database}.{collection}.
   */
  readonly table?: string;
  /**
   * Columns below `data`: made here by BSON type, inferred by CrateDB, or none (OBJECT(IGNORED), not
   * indexed).
   *
   * @default {typed}
   */
  readonly columns?: "typed" | "dynamic" | "ignored";
  /**
   * Make a BIGINT column DOUBLE PRECISION when fractions arrive; off leaves them in `overflow`.
   *
   * @default {on}
   */
  readonly widen?: "on" | "off";
  /**
   * Widen columns of tables of up to this many rows: the table is rebuilt for it, and not written to
   * meanwhile.
   *
   * @default {2000000}
   */
  readonly widenRows?: number;
  /**
   * What becomes of the rows when the collection is dropped or renamed: they stay, go, or go with the table.
   *
   * @default {keep}
   */
  readonly onDrop?: "keep" | "truncate" | "drop";
  /**
   * Memory for data on its way, beside the runtime's own; it sizes replies, batches and statements.
   *
   * @default {256MiB}
   */
  readonly maxMemory?: Bytes;
  /** Rows in one statement at most. @default {2500} */
  readonly statementRows?: number;
  /** Bytes in one statement at most, a single larger row aside; by default a 128th of maxMemory. */
  readonly statementBytes?: Bytes;
  /** Statements sent at once. @default {4} */
  readonly inFlight?: number;
  /**
   * How long a relay that stops answering keeps its stream before another one can take over.
   *
   * @default {10s}
   */
  readonly lease?: Duration;
  /** How long a database that went away is waited for. @default {forever} */
  readonly retryFor?: Duration;
  /** Take only documents that match this MongoDB query (Extended JSON); rows of others are deleted. */
  readonly filter?: Json;
  /** Take only these fields, and _id. */
  readonly only?: string | readonly string[];
  /** Leave these fields out. */
  readonly omit?: string | readonly string[];
  /** Stages that each document goes through, e.g. [{"$set": {"year": {"$year": "$at"}}}]. */
  readonly pipeline?: readonly Json[];
  /** Compare each document with its row, or only how many there are. @default {documents} */
  readonly compare?: "documents" | "counts";
  /** Compare N documents and N rows of each collection, picked at random; 0 for all. @default {0} */
  readonly sample?: number;
  /**
   * Report keys that differ, or also write or remove just their rows, and verify them again.
   *
   * @default {report}
   */
  readonly differences?: "report" | "repair";
  /** Documents a second that are compared at most; 0 for as many as possible. @default {0} */
  readonly rate?: number;
  /**
   * How long to wait for a relay whose position does not move; then differences count as found.
   *
   * @default {30s}
   */
  readonly settle?: Duration;
  /** How often keys that differ and keep changing are compared again. @default {10} */
  readonly generations?: number;
}
