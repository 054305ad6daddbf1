/**
 * The sink's errors. The code decides what went wrong. A message is read only if the code is unspecific, and only its
 * beginning: the rest may quote names and values of users.
 */
import { undefinedIf } from "../../util/errors.ts";

export type SinkErrorKind =
  /** No connection, or it broke. */
  | "unreachable"
  | "unknown host"
  | "tls"
  /** The server that answers is not CrateDB. */
  | "foreign server"
  | "login"
  | "privilege"
  | "unknown database"
  | "unknown schema"
  | "unknown relation"
  /** The statement is for tables, and the relation is a view. */
  | "not a table"
  /** Passes without help: a node that starts or stops, a table that is closed to writing. */
  | "unavailable"
  /** Too much at once: passes without help, and a smaller statement may pass now. */
  | "overloaded"
  | "too large"
  | "too many columns"
  | "too many shards"
  | "exists"
  /** Other objects need the object to drop. */
  | "needed"
  /** CrateDB takes a snapshot of the object to drop. */
  | "backup running"
  /** Unknown: the server, the table or a value may be at fault. */
  | "unspecific"
  | "refused";

/** The codes by kind: error codes of CrateDB (HTTP), SQLSTATEs (PostgreSQL wire), HTTP statuses, codes of the system. */
const CODES: Readonly<Partial<Record<SinkErrorKind, readonly string[]>>> = {
  "unknown host": ["ENOTFOUND", "EAI_AGAIN"],
  // Unauthorized; invalid_authorization_specification, invalid_password.
  login: ["401", "28000", "28P01"],
  // Forbidden; USER_NOT_AUTHORIZED_TO_PERFORM_STATEMENT, MISSING_USER_PRIVILEGES,
  // ONLY_READ_OPERATION_ALLOWED_ON_THIS_NODE; insufficient_privilege.
  privilege: ["403", "4010", "4011", "4031", "42501"],
  // invalid_catalog_name, database_dropped.
  "unknown database": ["3D000", "57P04"],
  // SCHEMA_UNKNOWN; invalid_schema_name.
  "unknown schema": ["4045", "3F000"],
  // RELATION_UNKNOWN; undefined_table.
  "unknown relation": ["4041", "42P01"],
  unavailable: [
    // Request Timeout, Bad Gateway, Service Unavailable, Gateway Timeout.
    ...["408", "502", "503", "504"],
    "4007", // RELATION_OPERATION_NOT_SUPPORTED: a block on the table
    "4037", // a blocked relation, in newer servers
    "4092", // VERSION_CONFLICT: another write of the same row was faster
    "5002", // ONE_OR_MORE_SHARDS_NOT_AVAILABLE
    "5030", // QUERY_KILLED_BY_STATEMENT
    "25006", // read_only_sql_transaction: PostgreSQL after a failover
    // serialization_failure, statement_completion_unknown, deadlock_detected.
    ...["40001", "40003", "40P01"],
  ],
  // Too Many Requests, also as an error code of CrateDB.
  overloaded: ["429", "4290"],
  // Content Too Large.
  "too large": ["413"],
  // RELATION_ALREADY_EXISTS; duplicate_schema, duplicate_table, duplicate_object (the type of a table), duplicate_column,
  // unique_violation (in PostgreSQL's catalogs).
  exists: ["4093", "42P06", "42P07", "42710", "42701", "23505"],
  // dependent_objects_still_exist.
  needed: ["2BP01"],
};

const KIND_OF_CODE: ReadonlyMap<string, SinkErrorKind> = new Map(
  Object.entries(CODES).flatMap(([kind, codes]) => codes.map((code) => [code, kind as SinkErrorKind])),
);

/** The text of each kind, in the order in which they are tried. */
type Rules = Readonly<Partial<Record<SinkErrorKind, RegExp>>>;

const CODE_RULES: Rules = {
  // OpenSSL and Node.
  tls: /^(?:EPROTO$|ERR_(?:SSL|TLS)_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA)/,
  // postgres.js and the system, for a connection that was lost or never made.
  unreachable: /^(?:E[A-Z]{3,}|CONNECT\w+)$/,
  // Classes of SQLSTATEs: connection exception, insufficient resources (a full disk), object not in prerequisite state
  // (a lock), operator intervention (a cancelled statement, a shutdown), system error.
  unavailable: /^(?:08|53|55|57|58)\w{3}$/,
};
/**
 * Codes of CrateDB for what is wrong with a statement or its values. Classes of SQLSTATEs: feature not supported,
 * cardinality violation, data exception, integrity constraint violation, syntax error or access rule violation, check
 * option violation, program limit exceeded, an exception of a trigger.
 */
const REFUSED_CODE = /^(?:4(?!040$)\d{3}|(?:0A|21|22|23|42|44|54|P0)\w{3})$/;
/** STATEMENT_INVALID_OR_UNSUPPORTED_SYNTAX, which CrateDB uses for a few other errors, too. */
const INVALID_STATEMENT = "4000";

/** Matches the beginning, after names of exceptions, nested in one another, which HTTP has before the message. */
const begins = (...messages: readonly string[]): RegExp =>
  new RegExp(`^ ?(?:\\w+\\[)*(?:${messages.join("|")})`);
/** The same for messages that quote names, which may have line breaks. */
const quotes = (...messages: readonly string[]): RegExp => new RegExp(begins(...messages), "s");

/** The code is that of a table which is closed. */
const NOT_A_TABLE = quotes('The relation ".*" doesn\'t support or allow SHOW CREATE operations\\]?$');

/** Messages of the code for invalid statements, and of unspecific codes. */
const STATEMENT_RULES: Rules = {
  // A node that has just started plans statements before it has recovered its tables.
  unavailable: begins("Couldn't create execution plan from logical plan because of: no such (?:shard|index)"),
  "too many columns": begins("Limit of total (?:fields|columns) \\[\\d+\\]"),
  "too many shards": begins(
    "(?:Validation Failed: \\d+: )?this action would add \\[\\d+\\] total shards, but",
  ),
  exists: quotes("The table .* already has a column named "),
};

/** Messages of unspecific codes. The PostgreSQL wire omits the code and the name of the exception. */
const MESSAGE_RULES: Rules = {
  "backup running": begins("Cannot delete indices that are being snapshotted: \\["),
  overloaded: begins(
    "\\w*(?:CircuitBreaking|RejectedExecution)\\w*\\[",
    "rejected execution of ",
    "Allocating .* failed, breaker would use",
    "\\[\\w+\\] Data too large, data for \\[",
    '".*" reached operation memory limit',
  ),
  unavailable: begins(
    "\\w*(?:IllegalIndexShardState|NoShardAvailable|IndexNotFound|UnavailableShards|ClusterBlock|" +
      "MasterNotDiscovered|NodeDisconnected|NodeNotConnected|NodeClosed|JobKilled|Timeout)\\w*\\[",
    // Versions of CrateDB word some differently.
    "blocked by: \\[",
    'The relation ".*" doesn\'t support or allow [A-Z ]+ operations',
    "the shard \\d+ of table \\[.*\\] is not available",
    "\\[.*\\] shard \\d+ is not available",
    "\\[.*\\]\\[\\d+\\] Not enough active copies",
    "no shards available for shard",
    "no such (?:index \\[|shard)",
    "CurrentState\\[",
    "failed to process cluster event \\(",
    "node closed \\{",
    'node ".*" not found in cluster state!',
    "\\[.*\\] (?:disconnected|Node not connected)$",
    "Job killed",
    'Cannot invoke "org\\.elasticsearch\\.cluster\\.ClusterState\\.',
  ),
  "unknown schema": quotes("Schema '.*' unknown(?:\\. Maybe you meant .*)?\\]?$"),
  refused: quotes(
    "Cannot (?:cast|detect the type of the value|add column|parse)\\b",
    "Dynamic nested arrays are not supported",
    "Mixed dataTypes inside a list are not supported",
    "Document contains at least one immense term in field=",
    "Failed to parse mapping: ",
    "Failed CONSTRAINT ",
    "Duplicate field '",
    '".*" (?:contains a dot|conflicts with subscript pattern|must not be null)',
    "A primary key value must not be NULL",
  ),
};

export class SinkError extends Error {
  override readonly name = "SinkError";
  /** CrateDB's error code (HTTP), the SQLSTATE (PostgreSQL wire) or the system's code of a failed connection. */
  readonly code: string | undefined;
  readonly kind: SinkErrorKind;
  /** The constraint or column at fault, if the server names it beside the message. */
  readonly subject: string | undefined;

  constructor(
    message: string,
    { code, kind, subject, cause }: Partial<Pick<SinkError, "code" | "kind" | "subject" | "cause">> = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.subject = subject;
    this.kind = kind ?? sinkErrorKind(code, message);
  }
}

/** @example IN: "4041", "Relation 'shop.certificates' unknown" → OUT: "unknown relation" */
export function sinkErrorKind(code: string | undefined, message: string): SinkErrorKind {
  if (code === undefined) return "unspecific";
  if (NOT_A_TABLE.test(message)) return "not a table";
  const isStatement = code === INVALID_STATEMENT || !REFUSED_CODE.test(code);
  return KIND_OF_CODE.get(code) ?? ruled(CODE_RULES, code) ??
    (isStatement ? ruled(STATEMENT_RULES, message) : undefined) ??
    (REFUSED_CODE.test(code) ? "refused" : ruled(MESSAGE_RULES, message)) ?? "unspecific";
}

const ruled = (rules: Rules, text: string): SinkErrorKind | undefined =>
  (Object.keys(rules) as SinkErrorKind[]).find((kind) => rules[kind]?.test(text));

const RETRYABLE: readonly SinkErrorKind[] = ["unavailable", "overloaded", "unreachable", "unknown host"];

/** Whether an error of the sink passes while the caller waits. */
export const isRetryable = (error: unknown): boolean => isSinkError(error, ...RETRYABLE);

/** Kinds of errors that are about the row alone, and that a row can cause: its values, its size, a column that it needs. */
export const ROW_KINDS: readonly SinkErrorKind[] = ["refused", "too large", "too many columns"];
const ROW_ERRORS: readonly SinkErrorKind[] = [...ROW_KINDS, "exists", "unspecific"];
const SERVER_ERRORS: readonly SinkErrorKind[] = [...RETRYABLE, "tls", "foreign server"];

/** What may be at fault if a write fails. @example IN: too large → OUT: row; IN: privilege → OUT: table */
export function faultOf({ kind }: SinkError): "row" | "table" | "server" {
  if (SERVER_ERRORS.includes(kind)) return "server";
  return ROW_ERRORS.includes(kind) ? "row" : "table";
}

/**
 * The error of a row as a log shows it: without the message, which may quote values.
 * @example IN: "CrateDB", "Failed CONSTRAINT small … for values: [100]", code 4000 → OUT: CrateDB refuses the row (code 4000)
 */
export function refusalText(
  server: string,
  { kind, code, subject }: Pick<SinkError, "kind" | "code" | "subject">,
  work = "the row",
): string {
  const what = ["refused", "unspecific"].includes(kind) ? undefined : kind;
  const parts = [what, code && `code ${code}`, subject].filter(Boolean).join(", ");
  return `${server} refuses ${work}${parts && ` (${parts})`}`;
}

/** The same error with the text of {@linkcode refusalText}, if its message may quote values. */
export function withoutValues(server: string, error: unknown, work?: string): unknown {
  if (!(error instanceof SinkError)) return error;
  // An unspecific error that may pass has become another kind.
  const origin = error.cause instanceof SinkError ? error.cause : error;
  if (!isSinkError(origin, "refused", "unspecific")) return error;
  const { code, subject } = origin;
  return new SinkError(refusalText(server, origin, work), { code, kind: error.kind, subject });
}

/** @example IN: a SinkError with code 4041, "unknown relation" → OUT: true */
export const isSinkError = (error: unknown, ...kinds: readonly SinkErrorKind[]): error is SinkError =>
  error instanceof SinkError && kinds.includes(error.kind);

/** Whether the server may still receive or run the statement: the connection broke, or the answer is late. */
export const isAnswerLost = (error: unknown): boolean =>
  error instanceof SinkError &&
  (error.kind === "unreachable" && error.code !== "ECONNREFUSED" || PROXY_GAVE_UP.includes(error.code ?? ""));

/** HTTP statuses Request Timeout, Bad Gateway, Service Unavailable, Gateway Timeout. */
const PROXY_GAVE_UP = ["408", "502", "503", "504"];

/** HTTP statuses as above. PostgreSQL: read_only_sql_transaction, and a server that stops or starts. */
const NODE_CODE = /^(?:50[234]|25006|57P0[123])$/;
const NODE_AWAY = begins("MasterNotDiscovered|NodeClosed|node closed|blocked by: \\[SERVICE_UNAVAILABLE");

/** Whether another node of the cluster may do better. A late answer says nothing: the statement may take long. */
export const isNodeError = (error: unknown): error is SinkError =>
  isSinkError(error, "unreachable", "unknown host", "tls", "foreign server") && error.code !== "ETIMEDOUT" ||
  isSinkError(error, "unavailable") && (NODE_CODE.test(error.code ?? "") || NODE_AWAY.test(error.message));

/** A node that has just started and has not recovered its tables yet answers so, too. */
export const isUnknownRelation = (error: unknown): boolean =>
  isSinkError(error, "unknown relation", "unknown schema");

/** The result; undefined if a relation does not exist. */
export const ifExists = <T>(work: Promise<T>): Promise<T | undefined> =>
  work.catch(undefinedIf(isUnknownRelation));

/** For `catch()`: turns errors of these kinds into undefined. @throws all others */
export const unlessKind = (...kinds: readonly SinkErrorKind[]) =>
  undefinedIf((error) => isSinkError(error, ...kinds));
