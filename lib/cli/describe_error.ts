/** What a user is told of an error: what happened, and what to do next. */
import { messageOf, UsageError, UserError } from "../util/errors.ts";

/** What the user is told, and the exit code. */
export interface Description {
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: 1 | 2;
}

const REPLICA_SET =
  "Change streams need a replica set; one node is enough. Start mongod with --replSet rs0, then run once:\n" +
  `  mongosh --eval 'rs.initiate({_id: "rs0", members: [{_id: 0, host: "localhost:27017"}]})'\n` +
  "In a container: docker exec <container> mongosh --eval '…', with the address that it has for its clients.";

interface Known {
  readonly pattern: RegExp;
  readonly message: (text: string) => string;
  readonly hint: string;
  /** @default 1 */
  readonly exitCode?: 2;
}

/** First match wins; the pattern sees `name code message` of the error and of its causes. */
const KNOWN: readonly Known[] = [
  {
    pattern: /\b40573\b|only supported on replica sets/,
    message: () => "MongoDB runs without a replica set, so it has no change streams.",
    hint: REPLICA_SET,
  },
  {
    pattern:
      /\b(?:94|13436|10107)\b.*(?:NotYet|NotPrimary)|NotYetInitialized|no replset config|Failed to refresh key cache|RSGhost/,
    message: () => "The MongoDB replica set has not been initiated yet.",
    hint: REPLICA_SET,
  },
  {
    pattern: /MongoServerError 18\b|Authentication failed/,
    message: () => "MongoDB refused the user name or password.",
    hint:
      "Check user, password and authSource in MONGODB_URL, e.g. mongodb://user:password@host/?authSource=admin",
  },
  {
    pattern: /MongoServerError 13\b|MongoServerError.*requires authentication|not authorized on/,
    // The server repeats the whole command, documents and all; that is not for a log.
    message: (text) => `MongoDB does not allow this: ${text.replace(/ to execute command.*/s, "")}`,
    hint:
      "The user needs the role `read` on the database that is followed, `readAnyDatabase` for several or all, and " +
      "`readWrite` for db-workload; put user and password into MONGODB_URL.",
  },
  {
    pattern: /MongoServerError 47\b.*NoMatchingDocument|Change stream was configured to require a post-image/,
    message: () => "MongoDB has no post-image of a change, and --full-document required asks for one.",
    hint: "Post-images are kept from the time on when the collection is told so:\n" +
      "  db.runCommand({collMod: 'data', changeStreamPreAndPostImages: {enabled: true}})\n" +
      "--full-document whenAvailable or updateLookup goes on without it.",
  },
  {
    pattern: /CommandNotSupportedOnView|is a timeseries collection|(?:on|is) a view\b/i,
    message: (text) => `This collection has no change stream: ${text}`,
    hint: "Views and time-series collections cannot be followed. Follow the collection that a view is of.",
  },
  {
    pattern:
      /MongoParseError|MongoInvalidArgumentError(?!.*names cannot)|MongoAPIError.*URI|Unable to parse .* with URL/,
    exitCode: 2,
    message: (text) => `MONGODB_URL is malformed: ${text}`,
    hint:
      "It looks like mongodb://[user:password@]host[:27017]/?replicaSet=rs0 ; percent-encode : / ? # @ in passwords.",
  },
  {
    pattern: /Mongo\w*Error.*(?:ENOTFOUND|EAI_AGAIN|getaddrinfo)|querySrv|queryTxt/,
    message: (text) => `The MongoDB host is unknown: ${text}`,
    hint:
      "Check the host name in MONGODB_URL. A replica set may name its members by addresses unknown here, such as " +
      "those of containers: then add ?directConnection=true.",
  },
  {
    pattern: /MongoServerSelectionError|MongoNetworkError/,
    message: (text) => `MongoDB cannot be reached: ${text}`,
    hint: "Is it running, and is the address in MONGODB_URL right? A replica set that names its members by " +
      "addresses unknown here needs ?directConnection=true.",
  },
  {
    pattern: /SinkError (?:401|28000|28P01)\b/,
    message: () => "CrateDB refused the user name or password.",
    hint:
      "Check user and password in CRATEDB_SQLALCHEMY_URL (crate://user:password@host:4200) or CRATEDB_URL.",
  },
  {
    pattern: /SinkError 3D000\b/,
    message: (text) => `There is no such database: ${text}`,
    hint:
      "Make it with CREATE DATABASE, or name another one in CRATEDB_URL: postgresql://user@host:5432/database",
  },
  {
    pattern: /SinkError.*maximum shards open/,
    message: (text) => `CrateDB has no room for another table: ${text}`,
    hint:
      "Each table has 4 shards of the 1000 that a node takes. Leave collections out with --exclude, make their " +
      'tables beforehand with CLUSTERED INTO 1 SHARDS, or SET GLOBAL "cluster.max_shards_per_node" = 3000.',
  },
  {
    pattern: /SinkError.*Schema '.*' unknown/s,
    message: (text) => `CrateDB has no such schema, or hides it from the user: ${text}`,
    hint: "Each database of MongoDB is a schema, unless --table says otherwise. Grant it, e.g. " +
      "GRANT DQL, DML, DDL ON SCHEMA shop TO <user>.",
  },
  {
    pattern: /SinkError (?:403|4011|4031|42501)\b/,
    message: (text) => `CrateDB does not allow this: ${text}`,
    hint: "Grant it, e.g. GRANT DQL, DML, DDL ON SCHEMA doc TO <user>.",
  },
  {
    pattern: /SinkError.*(?:ENOTFOUND|EAI_AGAIN|getaddrinfo|dns error|failed to lookup)/,
    message: (text) => `The CrateDB host is unknown: ${text}`,
    hint: "Check the host name in CRATEDB_SQLALCHEMY_URL or CRATEDB_URL.",
  },
  {
    pattern: /SinkError.*(?:certificate|UnknownIssuer|InvalidContentType|\b(?:tls|ssl)\b)/i,
    message: (text) => `The TLS connection to CrateDB failed: ${text}`,
    hint:
      "For a certificate of your own authority set DENO_CERT=ca.pem (with SSL off on the server, leave ssl=true out).",
  },
  {
    pattern:
      /SinkError.*(?:ECONNREFUSED|ECONNRESET|CONNECT_TIMEOUT|CONNECTION_|error sending request|refused|timed out|aborted due to timeout|are blocked|not an answer of)/i,
    message: (text) => `CrateDB cannot be reached: ${text}`,
    hint:
      "Is it running, and is the address right? crate://host:4200 speaks HTTP, postgresql://crate@host:5432/doc " +
      "the PostgreSQL wire; with ssl or sslmode the server needs TLS.",
  },
];

/**
 * What to tell of an error: never a stack trace, never a password.
 *
 * @example
 * IN: MongoServerError with code 40573
 * OUT: {message: "MongoDB runs without a replica set, …", hint: "… rs.initiate() …", exitCode: 1}
 */
export function describe(error: unknown): Description {
  if (error instanceof UsageError) return { message: messageOf(error), hint: error.hint, exitCode: 2 };
  if (error instanceof UserError) return { message: messageOf(error), hint: error.hint, exitCode: 1 };
  const text = messageOf(error);
  const known = KNOWN.find(({ pattern }) => pattern.test(signature(error)));
  return { message: known ? known.message(text) : text, hint: known?.hint, exitCode: known?.exitCode ?? 1 };
}

function signature(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, codeName, errorLabels } = error as {
    code?: unknown;
    codeName?: unknown;
    errorLabels?: unknown;
  };
  const labels = Array.isArray(errorLabels) ? errorLabels.join(" ") : "";
  const servers = [
    ...(error as { reason?: { servers?: Map<string, { type?: string; error?: unknown }> } }).reason
      ?.servers?.values() ?? [],
  ];
  return [
    error.name,
    code ?? "",
    codeName ?? "",
    error.message,
    labels,
    ...servers.map(({ type, error }) => `${type ?? ""} ${error ? signature(error) : ""}`),
    error.cause ? signature(error.cause) : "",
  ].join(" ");
}
