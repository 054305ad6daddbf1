import {
  MongoError,
  MongoNetworkError,
  MongoOperationTimeoutError,
  MongoServerError,
  MongoServerSelectionError,
  MongoStalePrimaryError,
} from "mongodb";
import { durationText } from "../../util/text.ts";
import { messageOf, UserError } from "../../util/errors.ts";

/** Codes after which a retry helps: of a step-down, a restart, a closed cursor, or a change of shards or keys. */
const RETRYABLE = {
  HostUnreachable: 6,
  HostNotFound: 7,
  CursorNotFound: 43,
  MaxTimeMSExpired: 50,
  StaleShardVersion: 63,
  ShardNotFound: 70,
  NetworkTimeout: 89,
  ShutdownInProgress: 91,
  FailedToSatisfyReadPreference: 133,
  ReadConcernMajorityNotAvailableYet: 134,
  CappedPositionLost: 136,
  StaleEpoch: 150,
  QueryPlanKilled: 175,
  PrimarySteppedDown: 189,
  NetworkInterfaceExceededTimeLimit: 202,
  KeyNotFound: 211,
  RetryChangeStream: 234,
  CursorKilled: 237,
  SnapshotUnavailable: 246,
  ExceededTimeLimit: 262,
  PooledConnectionsDropped: 317,
  ReauthenticationRequired: 391,
  SocketException: 9001,
  NotWritablePrimary: 10107,
  InterruptedAtShutdown: 11600,
  Interrupted: 11601,
  InterruptedDueToReplStateChange: 11602,
  StaleConfig: 13388,
  NotPrimaryNoSecondaryOk: 13435,
  NotPrimaryOrSecondary: 13436,
} as const;

export const MongodbCode = {
  ...RETRYABLE,
  Unauthorized: 13,
  AuthenticationFailed: 18,
  NamespaceNotFound: 26,
  NoMatchingDocument: 47,
  CommandNotFound: 59,
  InvalidOptions: 72,
  NoReplicationEnabled: 76,
  NotYetInitialized: 94,
  CommandNotSupported: 115,
  ExceededMemoryLimit: 146,
  CommandNotSupportedOnView: 166,
  TooManyMatchingDocuments: 170,
  InvalidResumeToken: 260,
  ChangeStreamFatalError: 280,
  ChangeStreamHistoryLost: 286,
  QueryExceededMemoryLimitNoDiskUseAllowed: 292,
  /** Amazon DocumentDB: a feature that it lacks. */
  UnsupportedByDocumentDB: 303,
  AtlasError: 8000,
  BSONObjectTooLarge: 10334,
  DuplicateKey: 11000,
  /** `$changeStream` on a server without a replica set. */
  ChangeStreamNeedsReplicaSet: 40573,
  /** An event that is still too large after a split. */
  ChangeStreamFragmentTooLarge: 7182500,
} as const;

export const hasCode = (error: unknown, ...codes: readonly number[]): error is MongoServerError =>
  error instanceof MongoServerError && codes.includes(Number(error.code));

/** Whether the user lacks a privilege. Atlas uses its own code, also for other errors. */
export const isNotAllowed = (error: unknown): boolean =>
  hasCode(error, MongodbCode.Unauthorized, MongodbCode.AtlasError);

/** Labels by which a server or the driver recommends a retry. */
const RETRYABLE_LABEL = /^(?:ResumableChangeStream|RetryableWrite|Retryable|SystemOverloaded)Error$/;
/** Operating system codes of a failed connection. The driver passes some on unchanged. */
const LOST_CONNECTION =
  /^(?:ECONNABORTED|ECONNREFUSED|ECONNRESET|EHOSTDOWN|EHOSTUNREACH|ENETDOWN|ENETUNREACH|EPIPE|ETIMEDOUT)$/;

/** MongoDB did not answer in time. The connection was closed, because it may be dead. */
export class OverdueError extends UserError {
  constructor(milliseconds: number) {
    super(`MongoDB did not answer for ${durationText(milliseconds)}`, {
      hint:
        "Either MongoDB is overloaded, or something on the way forgets connections that are idle, such as a " +
        "firewall or load balancer.",
    });
  }
}

/** An operation failed because the relay has switched to another mongos. */
export class RouterLeftError extends Error {
  override readonly name = "RouterLeftError";

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** Waiting does not help against other errors of the driver. */
export const isConnectionLost = (error: unknown): boolean =>
  error instanceof MongoNetworkError || error instanceof MongoServerSelectionError ||
  error instanceof OverdueError || error instanceof RouterLeftError ||
  error instanceof Error && "code" in error && LOST_CONNECTION.test(String(error.code));

export const isRetryableMongodbError = (error: unknown): boolean =>
  isConnectionLost(error) || hasCode(error, ...Object.values(RETRYABLE)) ||
  error instanceof MongoStalePrimaryError || error instanceof MongoOperationTimeoutError ||
  error instanceof MongoError &&
    // No connection became free within `waitQueueTimeoutMS`. The driver does not export the class.
    (error.name === "MongoWaitQueueTimeoutError" ||
      error.errorLabels.some((label) => RETRYABLE_LABEL.test(label)));

/** The saved token belongs to another deployment. The documents of this one may replace the rows. */
export class OtherDeploymentError extends Error {
  override readonly name = "OtherDeploymentError";
}

/** The service opens a stream, but not after a token that it returned before. */
export class TokenRefusedError extends Error {
  override readonly name = "TokenRefusedError";
}

const { ChangeStreamHistoryLost, ChangeStreamFatalError, InvalidResumeToken } = MongodbCode;

/** Whether the oplog no longer has the token, the token belongs to another deployment, or is invalid. */
export const isHistoryLost = (error: unknown): boolean =>
  error instanceof OtherDeploymentError || error instanceof TokenRefusedError ||
  hasCode(error, ChangeStreamHistoryLost, ChangeStreamFatalError, InvalidResumeToken);

/** Retries of a refused login: the credentials may be changing. */
const LOGIN_TRIES = 2;
/** Retries of a read after a cluster time that a shard has not reached. Other invalid options have the same code. */
const CLUSTER_TIME_TRIES = 8;

/** Classifies the errors of one operation. */
export function retryableErrors(isAfterTime: () => boolean = () => false): (error: unknown) => boolean {
  let refusedLogins = 0;
  let refusedTimes = 0;
  return (error) =>
    isRetryableMongodbError(error) ||
    hasCode(error, MongodbCode.AuthenticationFailed) && ++refusedLogins <= LOGIN_TRIES ||
    hasCode(error, MongodbCode.InvalidOptions) && isAfterTime() && ++refusedTimes <= CLUSTER_TIME_TRIES;
}

/** Two shards have documents with the same `_id`. Newer servers report this with a code that also means lost history. */
export const isAmbiguousLookup = (error: unknown): boolean =>
  hasCode(error, MongodbCode.TooManyMatchingDocuments, MongodbCode.ChangeStreamFatalError);

export const isEventTooLarge = (error: unknown): error is MongoServerError =>
  hasCode(error, MongodbCode.BSONObjectTooLarge, MongodbCode.ChangeStreamFragmentTooLarge);

/** Whether the server may have refused an unsupported command. MongoDB-compatible services use their own codes. */
export const isRefusal = (error: unknown): error is MongoServerError =>
  error instanceof MongoServerError && !isRetryableMongodbError(error) && !isHistoryLost(error) &&
  !isEventTooLarge(error) && !hasCode(error, MongodbCode.Unauthorized, MongodbCode.AuthenticationFailed);

/**
 * The error without its message, which may quote values of documents.
 * @example IN: code 241, "Failed to parse number 'secret' in $convert …" → OUT: ConversionFailure, code 241
 */
export const codeText = ({ code, codeName }: MongoServerError): string =>
  `${codeName ?? "error"}, code ${code}`;

/** Whether the server may have failed to transform one document: it became too large, or a value cannot be converted. */
export const isTransformFailure = (error: unknown): error is MongoServerError =>
  isEventTooLarge(error) || isRefusal(error) &&
    !hasCode(error, MongodbCode.ExceededMemoryLimit, MongodbCode.QueryExceededMemoryLimitNoDiskUseAllowed);
