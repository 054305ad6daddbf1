/** Which of MongoDB's errors go away, and which mean that the history is lost. */
import { MongoError, MongoServerError } from "mongodb";

/**
 * A primary that stepped down, a server that starts or stops, a cursor that is gone or was outrun by the oplog, a
 * collection that went while it was read.
 */
const TRANSIENT_CODES = [
  6,
  7,
  43,
  89,
  91,
  133,
  134,
  136,
  175,
  189,
  234,
  237,
  262,
  9001,
  10107,
  11600,
  11602,
  13388,
  13435,
  13436,
];

/** Any error that is not the server's, and those of the server that it labels so. */
export function isRetryableMongodbError(error: unknown): boolean {
  if (!(error instanceof MongoError)) return false;
  if (!(error instanceof MongoServerError)) {
    return !/^Mongo(?:Parse|InvalidArgument|API)Error/.test(error.name);
  }
  return error.hasErrorLabel("ResumableChangeStreamError") || error.hasErrorLabel("RetryableWriteError") ||
    TRANSIENT_CODES.includes(Number(error.code));
}

/** The oplog has moved on (286), the token is none of this deployment's (280), or not one at all (260). */
const HISTORY_LOST = [286, 280, 260];

/** A token that happens to be good here, of a stream that is none of this deployment's. */
export class OtherDeploymentError extends Error {
  override readonly name = "OtherDeploymentError";
}

export const isHistoryLost = (error: unknown): boolean =>
  error instanceof OtherDeploymentError ||
  error instanceof MongoServerError && HISTORY_LOST.includes(Number(error.code));
