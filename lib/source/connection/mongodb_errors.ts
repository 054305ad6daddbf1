/** MongoDB's errors by class, code and label: which pass by themselves, and which mean that history is lost. */
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

/** Codes of the server, by the names that the server gives them. */
export const MongodbCode = {
  HostUnreachable: 6,
  HostNotFound: 7,
  Unauthorized: 13,
  AuthenticationFailed: 18,
  CursorNotFound: 43,
  NoMatchingDocument: 47,
  MaxTimeMSExpired: 50,
  CommandNotFound: 59,
  StaleShardVersion: 63,
  ShardNotFound: 70,
  NoReplicationEnabled: 76,
  InvalidOptions: 72,
  NetworkTimeout: 89,
  ShutdownInProgress: 91,
  NotYetInitialized: 94,
  CommandNotSupported: 115,
  ExceededMemoryLimit: 146,
  FailedToSatisfyReadPreference: 133,
  ReadConcernMajorityNotAvailableYet: 134,
  CappedPositionLost: 136,
  StaleEpoch: 150,
  CommandNotSupportedOnView: 166,
  TooManyMatchingDocuments: 170,
  QueryPlanKilled: 175,
  PrimarySteppedDown: 189,
  NetworkInterfaceExceededTimeLimit: 202,
  KeyNotFound: 211,
  RetryChangeStream: 234,
  CursorKilled: 237,
  SnapshotUnavailable: 246,
  InvalidResumeToken: 260,
  ExceededTimeLimit: 262,
  ChangeStreamFatalError: 280,
  ChangeStreamHistoryLost: 286,
  QueryExceededMemoryLimitNoDiskUseAllowed: 292,
  /** Amazon DocumentDB's code for a feature that it lacks. */
  UnsupportedByDocumentDB: 303,
  PooledConnectionsDropped: 317,
  ReauthenticationRequired: 391,
  AtlasError: 8000,
  SocketException: 9001,
  NotWritablePrimary: 10107,
  BSONObjectTooLarge: 10334,
  DuplicateKey: 11000,
  InterruptedAtShutdown: 11600,
  Interrupted: 11601,
  InterruptedDueToReplStateChange: 11602,
  StaleConfig: 13388,
  NotPrimaryNoSecondaryOk: 13435,
  NotPrimaryOrSecondary: 13436,
  /** `$changeStream` on a server without a replica set. */
  ChangeStreamNeedsReplicaSet: 40573,
  /** An event that is too large still after it was split. */
  ChangeStreamFragmentTooLarge: 7182500,
} as const;

export const hasCode = (error: unknown, ...codes: readonly number[]): error is MongoServerError =>
  error instanceof MongoServerError && codes.includes(Number(error.code));

/** Whether the user lacks a right. Atlas has a code of its own for that, and for other things. */
export const isNotAllowed = (error: unknown): boolean =>
  hasCode(error, MongodbCode.Unauthorized, MongodbCode.AtlasError);

/** Labels by which a server or the driver says that trying again makes sense. */
const RETRYABLE_LABELS = [
  "ResumableChangeStreamError",
  "RetryableWriteError",
  "RetryableError",
  "SystemOverloadedError",
];

/** Codes of the system for a connection that broke or was never made. The driver passes some on as they are. */
const LOST_CONNECTION = [
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "EPIPE",
  "ETIMEDOUT",
];

/** MongoDB has not answered in time. The connection was closed, because it may be dead. */
export class OverdueError extends UserError {
  /** @param milliseconds that MongoDB had for the answer */
  constructor(milliseconds: number) {
    super(`MongoDB did not answer for ${durationText(milliseconds)}`, {
      hint:
        "Either MongoDB is overloaded, or something on the way forgets connections that are idle, such as a " +
        "firewall or load balancer.",
    });
  }
}

/** An operation failed because the relay has changed to another mongos. */
export class RouterLeftError extends Error {
  override readonly name = "RouterLeftError";

  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** Whether a connection broke or was never made. Any other error of the driver is a mistake that waiting does not cure. */
export const isConnectionLost = (error: unknown): boolean =>
  error instanceof MongoNetworkError || error instanceof MongoServerSelectionError ||
  error instanceof OverdueError || error instanceof RouterLeftError ||
  error instanceof Error && "code" in error && LOST_CONNECTION.includes(String(error.code));

/**
 * A primary that stepped down, a server that starts or stops, a cursor that is gone or was outrun by the oplog, an
 * operation that somebody killed or that took too long, a collection that was dropped while it was read, shards that
 * come and go, credentials that are due for renewal, signing keys that have not reached the server yet.
 */
const RETRYABLE_CODES = [
  MongodbCode.HostUnreachable,
  MongodbCode.HostNotFound,
  MongodbCode.CursorNotFound,
  MongodbCode.MaxTimeMSExpired,
  MongodbCode.StaleShardVersion,
  MongodbCode.ShardNotFound,
  MongodbCode.NetworkTimeout,
  MongodbCode.ShutdownInProgress,
  MongodbCode.FailedToSatisfyReadPreference,
  MongodbCode.ReadConcernMajorityNotAvailableYet,
  MongodbCode.CappedPositionLost,
  MongodbCode.StaleEpoch,
  MongodbCode.QueryPlanKilled,
  MongodbCode.PrimarySteppedDown,
  MongodbCode.NetworkInterfaceExceededTimeLimit,
  MongodbCode.KeyNotFound,
  MongodbCode.RetryChangeStream,
  MongodbCode.CursorKilled,
  MongodbCode.SnapshotUnavailable,
  MongodbCode.ExceededTimeLimit,
  MongodbCode.PooledConnectionsDropped,
  MongodbCode.ReauthenticationRequired,
  MongodbCode.SocketException,
  MongodbCode.NotWritablePrimary,
  MongodbCode.InterruptedAtShutdown,
  MongodbCode.Interrupted,
  MongodbCode.InterruptedDueToReplStateChange,
  MongodbCode.StaleConfig,
  MongodbCode.NotPrimaryNoSecondaryOk,
  MongodbCode.NotPrimaryOrSecondary,
];

/** The driver does not export the class: no connection became free within `waitQueueTimeoutMS`. */
const NO_FREE_CONNECTION = "MongoWaitQueueTimeoutError";

/** Whether connections are short, or the primary has just changed. */
const isShortage = (error: unknown): boolean =>
  error instanceof MongoStalePrimaryError || error instanceof MongoError && error.name === NO_FREE_CONNECTION;

/**
 * Whether an error of MongoDB goes away by waiting.
 *
 * @example
 * IN: MongoServerError with code 189 → OUT: true; IN: MongoMissingCredentialsError → OUT: false
 */
export const isRetryableMongodbError = (error: unknown): boolean =>
  isConnectionLost(error) || isShortage(error) || error instanceof MongoOperationTimeoutError ||
  hasCode(error, ...RETRYABLE_CODES) ||
  error instanceof MongoError && RETRYABLE_LABELS.some((label) => error.hasErrorLabel(label));

/** The deployment is another one than that of the saved token, and its documents shall replace the rows. */
export class OtherDeploymentError extends Error {
  override readonly name = "OtherDeploymentError";
}

/** The service opens a stream, and refuses the token that it gave before. */
export class TokenRefusedError extends Error {
  override readonly name = "TokenRefusedError";
}

/** The oplog has moved on, the token is of another deployment, or it is no token at all. */
export const isHistoryLost = (error: unknown): boolean =>
  error instanceof OtherDeploymentError || error instanceof TokenRefusedError ||
  hasCode(
    error,
    MongodbCode.ChangeStreamHistoryLost,
    MongodbCode.ChangeStreamFatalError,
    MongodbCode.InvalidResumeToken,
  );

/** How often a login is tried again that is refused once the program runs: the credentials may just be changing. */
const LOGIN_TRIES = 2;

/**
 * How often a read after a cluster time is tried again that a shard refuses because its own time is behind. Other invalid
 * options have the same code, and no other try helps them.
 */
const CLUSTER_TIME_TRIES = 8;

/**
 * Judges the errors of one operation as {@linkcode isRetryableMongodbError}; a refused login and a cluster time that is
 * ahead of a shard are tried again a few times.
 *
 * @param isAfterTime whether the operation reads after a cluster time
 */
export function retryableErrors(isAfterTime: () => boolean = () => false): (error: unknown) => boolean {
  let refusedLogins = 0;
  let refusedTimes = 0;
  return (error) =>
    isRetryableMongodbError(error) ||
    hasCode(error, MongodbCode.AuthenticationFailed) && ++refusedLogins <= LOGIN_TRIES ||
    hasCode(error, MongodbCode.InvalidOptions) && isAfterTime() && ++refusedTimes <= CLUSTER_TIME_TRIES;
}

/**
 * Whether the stream may go on if it looks no documents up: in a sharded cluster, two documents may have the `_id` of an
 * event. Newer servers say so with a code that also stands for lost history.
 */
export const isAmbiguousLookup = (error: unknown): boolean =>
  hasCode(error, MongodbCode.TooManyMatchingDocuments, MongodbCode.ChangeStreamFatalError);

/** The event that comes next is over 16 MB. */
export const isEventTooLarge = (error: unknown): error is MongoServerError =>
  hasCode(error, MongodbCode.BSONObjectTooLarge, MongodbCode.ChangeStreamFragmentTooLarge);

/**
 * Whether a server may have refused what it was asked for: it answers, the user may ask, and waiting does not help.
 * Services that speak MongoDB's protocol refuse with codes of their own; so it is said here what is no refusal.
 */
export const isRefusal = (error: unknown): error is MongoServerError =>
  error instanceof MongoServerError && !isRetryableMongodbError(error) && !isHistoryLost(error) &&
  !isEventTooLarge(error) && !hasCode(error, MongodbCode.Unauthorized, MongodbCode.AuthenticationFailed);

/** Whether it may be one document that the server cannot transform: it grows too large, or a value does not convert. */
export const isTransformFailure = (error: unknown): error is MongoServerError =>
  isEventTooLarge(error) || isRefusal(error) &&
    !hasCode(
      error,
      MongodbCode.ExceededMemoryLimit,
      MongodbCode.QueryExceededMemoryLimitNoDiskUseAllowed,
    );
