import assert from "node:assert/strict";
import {
  MongoAPIError,
  MongoCompatibilityError,
  MongoCursorExhaustedError,
  MongoExpiredSessionError,
  MongoInvalidArgumentError,
  MongoMissingCredentialsError,
  MongoMissingDependencyError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoParseError,
  MongoRuntimeError,
  MongoServerError,
  MongoServerSelectionError,
  MongoStalePrimaryError,
  type TopologyDescription,
} from "mongodb";
import { PoolClearedOnNetworkError, WaitQueueTimeoutError } from "mongodb/lib/cmap/errors.js";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import {
  isHistoryLost,
  isRetryableMongodbError,
  OverdueError,
  retryableErrors,
  RouterLeftError,
} from "../../../../lib/source/connection/mongodb_errors.ts";

const server = (code: number, ...errorLabels: string[]) =>
  new MongoServerError({ message: "refused", code, errorLabels });

/** Error; whether it goes away, whether the history is lost. */
const ERRORS: readonly (readonly [string, unknown, boolean, boolean])[] = [
  ["a connection that broke", new MongoNetworkError("connection closed"), true, false],
  ["a connection that took too long", new MongoNetworkTimeoutError("timed out"), true, false],
  [
    "a connection that the other side has ended",
    Object.assign(new Error("ended"), { code: "EPIPE" }),
    true,
    false,
  ],
  ["a file that is missing", Object.assign(new Error("no such file"), { code: "ENOENT" }), false, false],
  [
    "no server to be had",
    new MongoServerSelectionError("no primary", {} as TopologyDescription),
    true,
    false,
  ],
  ["a primary that stepped down", server(189), true, false],
  ["no primary", server(10107), true, false],
  ["a server that shuts down", server(91), true, false],
  ["a cursor that is gone", server(43), true, false],
  ["a collection that was dropped while it was read", server(175), true, false],
  ["a server that has not caught up yet", server(134), true, false],
  [
    "a server that hangs",
    new PoolClearedOnNetworkError({ address: "localhost:27017" } as never),
    true,
    false,
  ],
  ["an answer that is overdue", new OverdueError(6_000), true, false],
  ["a mongos that was left", new RouterLeftError(new MongoExpiredSessionError("ended")), true, false],
  [
    "a pool without a free connection",
    new WaitQueueTimeoutError("no connection", "localhost:27017"),
    true,
    false,
  ],
  ["a primary that was replaced", new MongoStalePrimaryError("primary marked stale"), true, false],
  ["an error labelled as resumable", server(1, "ResumableChangeStreamError"), true, false],
  ["an error labelled as retryable", server(1, "RetryableWriteError"), true, false],
  ["a wrong password", server(18), false, false],
  ["no permission", server(13), false, false],
  ["a bad stage", server(40324), false, false],
  ["an event that is too large", server(10334), false, false],
  ["a post-image that is missing", server(47, "NonResumableChangeStreamError"), false, false],
  ["a history that is lost", server(286, "NonResumableChangeStreamError"), false, true],
  ["a stream that cannot be resumed", server(280, "NonResumableChangeStreamError"), false, true],
  ["a token of another deployment", server(260), false, true],
  ["a URL that is malformed", new MongoParseError("malformed"), false, false],
  ["an option that is wrong", new MongoInvalidArgumentError("wrong"), false, false],
  ["wrong use", new MongoAPIError("wrong"), false, false],
  ["a server that is too old", new MongoCompatibilityError("too old"), false, false],
  ["credentials that are missing", new MongoMissingCredentialsError("no user"), false, false],
  [
    "a package that is missing",
    new MongoMissingDependencyError("no snappy", { dependencyName: "x", cause: new Error() }),
    false,
    false,
  ],
  ["a cursor that was read to its end", new MongoCursorExhaustedError("exhausted"), false, false],
  ["a session that has ended", new MongoExpiredSessionError("ended"), false, false],
  ["a mistake in the driver", new MongoRuntimeError("odd"), false, false],
  ["an operation that somebody killed", server(11601), true, false],
  ["a server that is overloaded", server(1, "SystemOverloadedError"), true, false],
  ["an operation that took too long", server(50), true, false],
  ["a shard version that is old", server(63), true, false],
  ["a shard that was removed", server(70), true, false],
  ["a shard version of another epoch", server(150), true, false],
  ["shards that did not answer each other", server(202), true, false],
  ["signing keys that have not arrived", server(211), true, false],
  ["a snapshot that is not there yet", server(246), true, false],
  ["connections that the router dropped", server(317), true, false],
  ["credentials that are due for renewal", server(391), true, false],
  ["an error that the server says to repeat", server(1, "RetryableError"), true, false],
  ["CrateDB's", new SinkError("refused", { code: "286" }), false, false],
  ["a mistake in the program", new TypeError("undefined"), false, false],
  ["no error", "MongoNetworkError", false, false],
];

for (const [what, error, transient, lost] of ERRORS) {
  Deno.test(`isRetryableMongodbError() and isHistoryLost() of ${what}`, () =>
    assert.deepEqual([isRetryableMongodbError(error), isHistoryLost(error)], [transient, lost]));
}

const BEHIND = server(72);

Deno.test("retryableErrors() has a read after a cluster time tried again that a shard refuses, some times", () => {
  const isRetryable = retryableErrors(() => true);
  const judged = Array.from({ length: 9 }, () => isRetryable(BEHIND));
  assert.deepEqual(judged, [...Array(8).fill(true), false]);
});

Deno.test("retryableErrors() does not have invalid options tried again of a read without a cluster time", () => {
  assert.equal(retryableErrors(() => false)(BEHIND), false);
});
