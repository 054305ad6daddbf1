/** Failures of the sink that pass by themselves. */

/** An answer or a failed connection of the sink. */
export class SinkError extends Error {
  override readonly name = "SinkError";
  /** CrateDB's error code (HTTP), the SQLSTATE (PostgreSQL wire) or the system's code of a failed connection. */
  readonly code: string | undefined;

  constructor(message: string, options: { code?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = options.code;
  }
}

/** Connections that were lost or never made: the system's codes and postgres.js's. */
const LOST_CONNECTION = /^(?:E[A-Z]{3,}|CONNECT\w+)$/;

/**
 * Overload, a node that starts or stops, a relation that is blocked, transactions that met: CrateDB's codes,
 * SQLSTATEs, HTTP statuses.
 */
const TRANSIENT_CODES = new Set([
  "429",
  "502",
  "503",
  "504",
  "4007",
  "4037",
  "5002",
  "5030",
  "57P01",
  "57P03",
  "53300",
  "40001",
  "40P01",
]);

/** Codes that say nothing; the message does. The message of any other error may quote a document, and is not read. */
const UNSPECIFIC_CODE = /^(?:4040|5\d{3}|XX000)$/;

/** Names of exceptions, which HTTP has in front of the message. */
const TRANSIENT_EXCEPTION =
  /IllegalIndexShardState|CircuitBreak|NoShardAvailable|IndexNotFoundException|UnavailableShards|ClusterBlock|RejectedExecution|MasterNotDiscovered|NodeDisconnected|NodeNotConnected|NodeClosed|JobKilled|TimeoutException|doesn't support or allow [A-Z ]+ operations/;

/** What the PostgreSQL wire leaves of them; CrateDB's versions put some differently. */
const TRANSIENT_MESSAGE = new RegExp(`^ ?(?:\\w+\\[)?(?:${
  [
    "blocked by: \\[",
    "the shard \\d+ of table \\[.*\\] is not available",
    "\\[.*\\] shard \\d+ is not available",
    "\\[.*\\]\\[\\d+\\] Not enough active copies",
    "no shards available for shard",
    "no such (?:index \\[|shard)",
    "CurrentState\\[",
    "rejected execution of ",
    "Allocating .* failed, breaker would use",
    "\\[\\w+\\] Data too large, data for \\[",
    '".*" reached operation memory limit',
    "failed to process cluster event \\(",
    "node closed \\{",
    'node ".*" not found in cluster state!',
    "\\[.*\\] (?:disconnected|Node not connected)$",
    "Job killed",
    'Cannot invoke "org\\.elasticsearch\\.cluster\\.ClusterState\\.',
  ].join("|")
})`);

/** A node that has just started plans statements before it has its tables; code 4000 means bad SQL otherwise. */
const PLANNED_TOO_EARLY =
  /^(?:SQLParseException\[)?Couldn't create execution plan from logical plan because of: no such (?:shard|index)/;

/** Whether an error of the sink goes away by waiting. */
export function isRetryable(error: unknown): boolean {
  if (!(error instanceof SinkError)) return false;
  const { code = "", message } = error;
  return LOST_CONNECTION.test(code) || TRANSIENT_CODES.has(code) || PLANNED_TOO_EARLY.test(message) ||
    UNSPECIFIC_CODE.test(code) && (TRANSIENT_EXCEPTION.test(message) || TRANSIENT_MESSAGE.test(message));
}

export const isLostConnection = (error: unknown): boolean =>
  error instanceof SinkError && LOST_CONNECTION.test(error.code ?? "");

/** Whether nothing but the message tells what went wrong. */
export const isUnspecific = (error: unknown): boolean =>
  error instanceof SinkError && UNSPECIFIC_CODE.test(error.code ?? "");

/** A node that has just started knows no relations until it has recovered its state, and says that there are none. */
const UNKNOWN_RELATION = new Set(["4041", "4045", "42P01", "3F000"]);
/** The PostgreSQL wire has no code for it. */
const UNKNOWN_SCHEMA = /^Schema '.*' unknown$/s;

export function isUnknownRelation(error: unknown): boolean {
  if (!(error instanceof SinkError)) return false;
  const { code = "", message } = error;
  return UNKNOWN_RELATION.has(code) || UNSPECIFIC_CODE.test(code) && UNKNOWN_SCHEMA.test(message);
}
