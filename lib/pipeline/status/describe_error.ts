/** What a user is told of an error: what happened, and what to do next. */
import {
  MongoError,
  MongoMissingDependencyError,
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
} from "mongodb";
import { SinkError } from "../../sink/connection/sink_error.ts";
import { MongodbCode } from "../../source/connection/mongodb_errors.ts";
import { messageOf, UsageError, UserError } from "../../util/errors.ts";
import { maskSecrets } from "../../util/mask_url.ts";

/** What the user is told, and the exit code. */
export interface Description {
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: 1 | 2;
  /** The stack of an error that this program does not expect; `--verbose` prints it. */
  readonly stack?: string | undefined;
}

type Told = Pick<Description, "message" | "hint">;

/**
 * What to tell of an error: never a stack trace, never a password. The class says which system it is of, the code or
 * the kind what went wrong; messages are printed, and decide nothing.
 *
 * @example
 * IN: MongoServerError with code 40573
 * OUT: {message: "MongoDB runs without a replica set, …", hint: "… rs.initiate() …", exitCode: 1}
 */
export function describe(error: unknown): Description {
  const stack = unexpectedStack(error);
  return { ...told(error), exitCode: error instanceof UsageError ? 2 : 1, ...stack && { stack } };
}

function unexpectedStack(error: unknown): string | undefined {
  const isExpected = [UserError, SinkError, MongoError].some((type) => error instanceof type) ||
    isSrvLookup(error);
  return error instanceof Error && !isExpected && error.stack ? maskSecrets(error.stack) : undefined;
}

function told(error: unknown): Told {
  if (error instanceof UserError) return { message: messageOf(error), hint: error.hint };
  if (error instanceof SinkError) return sinkTold(error);
  if (error instanceof MongoServerError) return serverTold(error);
  if (isSrvLookup(error)) return unknownMongodbHost(messageOf(error));
  if (error instanceof MongoServerSelectionError || error instanceof MongoNetworkError) {
    return connectionTold(error);
  }
  const missing = withCauses(error).find((each) => each instanceof MongoMissingDependencyError);
  if (missing) return missingPackage(missing.dependencyName);
  const hint = error instanceof MongoError ? MONGODB_DRIVER : undefined;
  return { message: messageOf(error), hint };
}

const REPLICA_SET =
  "Change streams need a replica set; one node is enough. Start mongod with --replSet rs0, then run once:\n" +
  `  mongosh --eval 'rs.initiate({_id: "rs0", members: [{_id: 0, host: "localhost:27017"}]})'\n` +
  "In a container: docker exec <container> mongosh --eval '…', with the address that it has for its clients.";

const NOT_INITIATED: Told = {
  message: "The MongoDB replica set has not been initiated yet.",
  hint: REPLICA_SET,
};

const MONGODB_DRIVER =
  "The MongoDB driver refused this, and trying again would not help. Check MONGODB_URL and its options.";

const missingPackage = (name: string): Told => ({
  message: `MONGODB_URL asks for something that needs the package ${name}`,
  hint: `In a clone: deno add npm:${name}; as a package: npm install -g ${name}`,
});

const unknownMongodbHost = (text: string): Told => ({
  message: `The MongoDB host is unknown: ${text}`,
  hint:
    "Check the host name in MONGODB_URL. A replica set may name its members by addresses unknown here, such as " +
    "those of containers: then add ?directConnection=true.",
});

function serverTold(error: MongoServerError): Told {
  const text = messageOf(error);
  switch (Number(error.code)) {
    case MongodbCode.ChangeStreamNeedsReplicaSet:
      return {
        message: "MongoDB runs without a replica set, so it has no change streams.",
        hint: REPLICA_SET,
      };
    case MongodbCode.NotYetInitialized:
    case MongodbCode.NotWritablePrimary:
    case MongodbCode.NotPrimaryOrSecondary:
    case MongodbCode.KeyNotFound:
      return NOT_INITIATED;
    case MongodbCode.AuthenticationFailed:
    case MongodbCode.AtlasError:
      return {
        message: "MongoDB refused the user name or password.",
        hint:
          "Check user, password and authSource in MONGODB_URL, e.g. mongodb://user:password@host/?authSource=admin; " +
          "with MONGODB-X509, that $external has a user named by the subject of the certificate.",
      };
    case MongodbCode.Unauthorized:
      return {
        message: `MongoDB does not allow this: ${withoutCommand(text)}`,
        hint:
          "The user needs `find` and `changeStream` on what is followed: the role `read` on the database has both, " +
          "`readAnyDatabase` on all. db-workload needs `readWrite`. Put user and password into MONGODB_URL.",
      };
    case MongodbCode.NoMatchingDocument:
      return {
        message: "MongoDB has no post-image of a change, and --full-document required asks for one.",
        hint: "Post-images are kept from the time on when the collection is told so:\n" +
          "  db.runCommand({collMod: 'data', changeStreamPreAndPostImages: {enabled: true}})\n" +
          "--full-document whenAvailable or lookup goes on without it.",
      };
    case MongodbCode.CommandNotSupportedOnView:
      return {
        message: `This collection has no change stream: ${text}`,
        hint:
          "Views and time-series collections cannot be followed. Follow the collection that a view is of.",
      };
    default:
      return {
        message: text,
        hint: `MongoDB refused this with code ${error.code}${error.codeName ? ` (${error.codeName})` : ""}.`,
      };
  }
}

const UNKNOWN_HOST_CODES = ["ENOTFOUND", "EAI_AGAIN"];

/** A host of `mongodb+srv://` is looked up before there is a connection, and the error is not the driver's. */
const isSrvLookup = (error: unknown): boolean =>
  error instanceof Error && /^query(?:Srv|Txt)$/.test(String((error as { syscall?: unknown }).syscall));

function connectionTold(error: MongoServerSelectionError | MongoNetworkError): Told {
  const servers = serversOf(error);
  if (servers.some(({ type }) => type === "RSGhost")) return NOT_INITIATED;
  const codes = [error, ...servers.map((server) => server.error)].flatMap(codesOf);
  if (codes.some((code) => UNKNOWN_HOST_CODES.includes(code))) return unknownMongodbHost(messageOf(error));
  return {
    message: `MongoDB cannot be reached: ${messageOf(error)}`,
    hint: "Is it running, and is the address in MONGODB_URL right? A replica set that names its members by " +
      "addresses unknown here needs ?directConnection=true.",
  };
}

interface SeenServer {
  readonly type?: string;
  readonly error?: unknown;
}

const serversOf = (error: MongoError): SeenServer[] => [
  ...(error as { reason?: { servers?: Map<string, SeenServer> } }).reason?.servers?.values() ?? [],
];

/** The codes of an error and of its causes. */
const codesOf = (error: unknown): string[] =>
  withCauses(error).map((each) => String((each as { code?: unknown }).code ?? ""));

const withCauses = (error: unknown): Error[] =>
  error instanceof Error ? [error, ...withCauses(error.cause)] : [];

function sinkTold(error: SinkError): Told {
  const text = messageOf(error);
  switch (error.kind) {
    case "login":
      return {
        message: `CrateDB refused the login: ${text}`,
        hint:
          "Check user and password in CRATEDB_SQLALCHEMY_URL (crate://user:password@host:4200) or CRATEDB_URL; with " +
          "--cratedb-cert, that its common name is the user; with a token, that it has not expired.",
      };
    case "unknown database":
      return {
        message: `There is no such database: ${text}`,
        hint:
          "Make it with CREATE DATABASE, or name another one in CRATEDB_URL: postgresql://user@host:5432/database",
      };
    case "too many shards":
      return {
        message: `CrateDB has no room for another table: ${text}`,
        hint:
          "Exclude collections with --exclude, create tables with fewer shards (--shards 1), or raise the limit: " +
          'SET GLOBAL "cluster.max_shards_per_node" = 3000.',
      };
    case "unknown schema":
      return {
        message: `CrateDB has no such schema, or hides it from the user: ${text}`,
        hint: "Each database of MongoDB is a schema, unless --table says otherwise. Grant it, e.g. " +
          "GRANT DQL, DML, DDL ON SCHEMA shop TO <user>.",
      };
    case "privilege":
      return {
        message: `CrateDB does not allow this: ${text}`,
        hint: "Grant it, e.g. GRANT DQL, DML, DDL ON SCHEMA doc TO <user>.",
      };
    case "unknown host":
      return {
        message: `The CrateDB host is unknown: ${text}`,
        hint: "Check the host name in CRATEDB_SQLALCHEMY_URL or CRATEDB_URL.",
      };
    case "tls":
      return {
        message: `The TLS connection to CrateDB failed: ${text}`,
        hint:
          "--cratedb-ca ca.pem trusts an authority of your own. --cratedb-cert has to be of an authority that CrateDB " +
          "trusts, and --cratedb-key its key. With SSL off on the server, leave ssl=true out.",
      };
    case "unreachable":
    case "foreign server":
      return {
        message: `CrateDB cannot be reached: ${text}`,
        hint:
          "Is it running, and is the address right? crate://host:4200 speaks HTTP, postgresql://crate@host:5432/doc " +
          "the PostgreSQL wire; with ssl or sslmode the server needs TLS.",
      };
    default:
      return { message: text, hint: undefined };
  }
}

/**
 * The server repeats the whole command, documents and all; that is not for a log.
 *
 * @example
 * IN: not authorized on shop to execute command { find: "orders", … } → OUT: not authorized on shop to execute find
 */
const withoutCommand = (text: string): string =>
  text.replace(/ to execute command \W*(\w+).*/s, " to execute $1");
