/** Errors of MongoDB, CrateDB and their drivers that the program recognises: the texts for users, and for docs/troubleshooting.md. */
import type { SinkErrorKind } from "../../sink/connection/sink_error.ts";
import { MongodbCode } from "../../source/connection/mongodb_errors.ts";

export interface KnownError {
  /** `…` stands for the error's own text. */
  readonly message: string;
  /** Why it happens, if the message leaves that open. Only in the docs. */
  readonly why?: string;
  /** What to do next. */
  readonly hint: string;
}

type MongodbError = KnownError & { readonly codes: readonly number[] };

const REPLICA_SET = "Start mongod with --replSet rs0 (one node is enough), then run once:\n" +
  `  mongosh --eval 'rs.initiate({_id: "rs0", members: [{_id: 0, host: "localhost:27017"}]})'\n` +
  "In a container: docker exec <container> mongosh --eval '…', with the address that clients use.";

export const NOT_INITIATED: MongodbError = {
  codes: [
    MongodbCode.NotYetInitialized,
    MongodbCode.NotWritablePrimary,
    MongodbCode.NotPrimaryOrSecondary,
    MongodbCode.KeyNotFound,
  ],
  message: "The MongoDB replica set has not been initiated yet.",
  hint: REPLICA_SET,
};

export const MONGODB_HOST = {
  message: "The MongoDB host is unknown: …",
  hint:
    "Check the host name in MONGODB_URL. If the replica set names its members by addresses of containers, " +
    "add ?directConnection=true.",
};

export const MONGODB_UNREACHABLE = {
  message: "MongoDB cannot be reached: …",
  hint: "Check that it is running, and the address in MONGODB_URL. If the replica set names its members by " +
    "addresses of containers, add ?directConnection=true.",
};

export const MISSING_PACKAGE = {
  message: "MONGODB_URL has an option that needs the package …",
  why: "MONGODB-AWS and GSSAPI, for example.",
  hint: "Install it: deno add npm:PACKAGE in a clone, npm install -g PACKAGE with the npm package.",
};

/** Errors that MongoDB answers with a code. */
export const MONGODB_ERRORS: readonly MongodbError[] = [
  {
    codes: [MongodbCode.ChangeStreamNeedsReplicaSet],
    message: "MongoDB runs without a replica set, so it has no change streams.",
    hint: REPLICA_SET,
  },
  NOT_INITIATED,
  {
    codes: [MongodbCode.AuthenticationFailed, MongodbCode.AtlasError],
    message: "MongoDB refused the user name or password.",
    hint:
      "Check user, password and authSource in MONGODB_URL, e.g. mongodb://user:password@host/?authSource=admin. " +
      "MONGODB-X509 needs a user in $external that is named by the certificate's subject.",
  },
  {
    codes: [MongodbCode.Unauthorized],
    message: "MongoDB does not allow this: …",
    hint:
      "Put a user with the role read on the database (readAnyDatabase for several) into MONGODB_URL, or with the " +
      "actions `find` and `changeStream`; db-workload needs readWrite.",
  },
  {
    codes: [MongodbCode.NoMatchingDocument],
    message: "MongoDB has no post-image of a change, and --full-document required asks for one.",
    why: "The collection keeps no post-images, or kept none when the change was made.",
    hint: "Enable post-images, which MongoDB keeps from then on:\n" +
      "  db.runCommand({collMod: 'data', changeStreamPreAndPostImages: {enabled: true}})\n" +
      "Or use --full-document whenAvailable or lookup.",
  },
  {
    codes: [MongodbCode.CommandNotSupportedOnView],
    message: "This collection has no change stream: …",
    hint: "It is a view or a time-series collection. Follow the collection that the view reads.",
  },
];

const CRATEDB_UNREACHABLE = {
  message: "CrateDB cannot be reached: …",
  hint:
    "Check that it is running, and the address: crate://host:4200 is for HTTP, postgresql://crate@host:5432/doc " +
    "for the PostgreSQL wire protocol. With ssl or sslmode the server needs TLS.",
};

/** By the kind of CrateDB's error. */
export const SINK_ERRORS: Readonly<Partial<Record<SinkErrorKind, KnownError>>> = {
  "login": {
    message: "CrateDB refused the login: …",
    hint:
      "Check user and password in CRATEDB_SQLALCHEMY_URL or CRATEDB_URL (crate://user:password@host:4200). The " +
      "common name of --cratedb-cert has to be the user. A token in a file can be replaced before it expires.",
  },
  "unknown database": {
    message: "The database does not exist: …",
    hint: "Create it with CREATE DATABASE, or change it in CRATEDB_URL: postgresql://user@host:5432/database",
  },
  "too many shards": {
    message: "CrateDB has no room for another table: …",
    why: "The cluster has its maximum number of shards (1000 per node by default); a new table has 4.",
    hint:
      "Exclude collections (--exclude), create tables with fewer shards (--shards 1), or raise the limit: " +
      'SET GLOBAL "cluster.max_shards_per_node" = 3000.',
  },
  "unknown schema": {
    message: "CrateDB has no such schema, or hides it from the user: …",
    hint: "Each MongoDB database is a schema, unless --table names another one. Grant it, e.g. " +
      "GRANT DQL, DML, DDL ON SCHEMA shop TO <user>.",
  },
  "privilege": {
    message: "CrateDB does not allow this: …",
    hint: "Grant it, e.g. GRANT DQL, DML, DDL ON SCHEMA doc TO <user>.",
  },
  "unknown host": {
    message: "The CrateDB host is unknown: …",
    hint: "Check the host name in CRATEDB_SQLALCHEMY_URL or CRATEDB_URL.",
  },
  "tls": {
    message: "The TLS connection to CrateDB failed: …",
    hint:
      "For a CA of your own, give --cratedb-ca ca.pem. CrateDB has to trust the CA of --cratedb-cert, and " +
      "--cratedb-key has to be its key. If the server has no TLS, remove ssl=true.",
  },
  "unreachable": CRATEDB_UNREACHABLE,
  "foreign server": CRATEDB_UNREACHABLE,
};

/** All of them, by the system that they are of. */
export const KNOWN_ERRORS: Readonly<Record<"MongoDB" | "CrateDB", readonly KnownError[]>> = {
  MongoDB: [...MONGODB_ERRORS, MONGODB_HOST, MONGODB_UNREACHABLE, MISSING_PACKAGE],
  CrateDB: [...new Set(Object.values(SINK_ERRORS))],
};
