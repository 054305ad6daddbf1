import assert from "node:assert/strict";
import {
  isAnswerLost,
  isNodeError,
  isRetryable,
  isUnknownRelation,
  refusalText,
  SinkError,
  type SinkErrorKind,
  sinkErrorKind,
} from "../../../../lib/sink/connection/sink_error.ts";

const ERRORS: readonly (readonly [string, string | undefined, boolean])[] = [
  ["connect ECONNREFUSED 127.0.0.1:5432", "ECONNREFUSED", true],
  ["write CONNECTION_CLOSED localhost:5432", "CONNECTION_CLOSED", true],
  ["http://localhost:4200/_sql: Signal timed out.", "ECONNECT", true],
  ["HTTP status 503", "503", true],
  ['The relation "doc.t" doesn\'t support or allow INSERT operations', "4007", true],
  ['The relation "doc.t" doesn\'t support or allow INSERT operations', "XX000", true],
  ["MasterNotDiscoveredException[no master]", "5000", true],
  ["IllegalIndexShardStateException[CurrentState[RECOVERING] operations only allowed when …]", "5000", true],
  [
    "CurrentState[RECOVERING] operations only allowed when shard state is one of [POST_RECOVERY, STARTED]",
    "XX000",
    true,
  ],
  ["[doc.t] shard 0 is not available", "XX000", true],
  ["[doc.t][0] Not enough active copies to meet shard count of [1] (have 0, needed 1).", "XX000", true],
  [
    "rejected execution of org.elasticsearch.Task@1 on EsThreadPoolExecutor[write, queue capacity = 200]",
    "XX000",
    true,
  ],
  [
    "Allocating 2mb for 'upsert' failed, breaker would use 700mb in total. Limit is 600mb. Either increase memory and limit",
    "XX000",
    true,
  ],
  [
    "[query] Data too large, data for [collect] would be larger than limit of [644245094/614.3mb]",
    "XX000",
    true,
  ],
  ['"collect: 0" reached operation memory limit. Used: 1mb, Limit: 1mb', "XX000", true],
  ["failed to process cluster event (add-column) within 30s", "XX000", true],
  ["node closed {n1}{abc}{10.0.0.1}", "XX000", true],
  ['node "abc" not found in cluster state!', "XX000", true],
  ["[n1][10.0.0.1:4300][sql] disconnected", "XX000", true],
  [
    'Cannot invoke "org.elasticsearch.cluster.ClusterState.nodes()" because "clusterState" is null',
    "XX000",
    true,
  ],
  [
    'NullPointerException[Cannot invoke "org.elasticsearch.cluster.ClusterState.metadata()" because "state" is null]',
    "5000",
    true,
  ],
  ["Job killed. Participating node=n1 shut down", "XX000", true],
  ["JobKilledException[Job killed]", "5000", true],
  [
    "Cannot cast object element `a` with value `[a] Data too large, data for [x]` to type `bigint`",
    "XX000",
    false,
  ],
  ["the shard 0 of table [doc.t/-435tK5gRpS1craXTA-QJw] is not available", "XX000", true],
  ["IndexNotFoundException[no such index [doc.t/1zda7kAGSRKYtZXjXhagzQ]]", "4040", true],
  ["no such index [doc.t/1zda7kAGSRKYtZXjXhagzQ]", "XX000", true],
  [
    "SQLParseException[Couldn't create execution plan from logical plan because of: no such shard:\nGet[doc.cdc_position]]",
    "4000",
    true,
  ],
  [
    "Couldn't create execution plan from logical plan because of: no such index [doc.t]:\nGet[doc.t]",
    "XX000",
    true,
  ],
  ["Couldn't create execution plan from logical plan because of: null:\nGet[no such shard]", "4000", false],
  ["Cannot cast object element `Timeout` with value `ECONNREFUSED` to type `bigint`", "4000", false],
  ["Cannot cast object element `connected` with value `x` to type `bigint`", "XX000", false],
  ["Relation 'nosuch' unknown", "4041", false],
  ["no code at all: connection refused", undefined, false],
];

for (const [message, code, expected] of ERRORS) {
  Deno.test(`isRetryable() ${code}: ${message}`, () => {
    assert.equal(isRetryable(new SinkError(message, { code })), expected);
  });
}

Deno.test("isRetryable() is false for errors of other origins", () => {
  assert.equal(isRetryable(new Error("ECONNREFUSED")), false);
});

const RELATIONS: readonly (readonly [string, string, boolean])[] = [
  ["Relation 'doc.t' unknown", "4041", true],
  ["Relation 'doc.t' unknown", "42P01", true],
  ["Schema 'shop' unknown", "4045", true],
  ["Schema 'shop' unknown", "XX000", true],
  ["Schema 'op_shop' unknown. Maybe you meant 'qd_shop'", "XX000", true],
  ["Cannot cast value `Schema 'shop' unknown` to type `bigint`", "XX000", false],
];

for (const [message, code, expected] of RELATIONS) {
  Deno.test(`isUnknownRelation() ${code}: ${message}`, () => {
    assert.equal(isUnknownRelation(new SinkError(message, { code })), expected);
  });
}

const KINDS: readonly (readonly [string, string, SinkErrorKind])[] = [
  ["connect ECONNREFUSED 127.0.0.1:4200", "ECONNREFUSED", "unreachable"],
  ["Too many requests", "429", "overloaded"],
  ["CircuitBreakingException[Allocating 2mb for 'upsert' failed]", "5000", "overloaded"],
  ["rejected execution of org.elasticsearch.Task@1 on EsThreadPoolExecutor[write]", "XX000", "overloaded"],
  ["getaddrinfo ENOTFOUND nosuch.invalid", "ENOTFOUND", "unknown host"],
  ["self-signed certificate", "DEPTH_ZERO_SELF_SIGNED_CERT", "tls"],
  ["wrong version number", "ERR_SSL_WRONG_VERSION_NUMBER", "tls"],
  ["Limit of total fields [1000] in index [doc.t] has been exceeded", "XX000", "too many columns"],
  ["SQLParseException[Limit of total columns [1000] in table [doc.t] exceeded]", "4000", "too many columns"],
  ["The table doc.t already has a column named data['a']", "4000", "exists"],
  ["Cannot cast value `Limit of total fields [1]` to type `bigint`", "4000", "refused"],
  ["Cannot cast value `this action would add [4] total shards, but` to type `bigint`", "4000", "refused"],
  ["Cannot cast object element `a` with value `TimeoutException[x]` to type `bigint`", "XX000", "refused"],
  ["Cannot cast value `The table t already has a column named x` to type `bigint`", "4000", "refused"],
];

for (const [message, code, kind] of KINDS) {
  Deno.test(`sinkErrorKind() ${code}: ${message}`, () => assert.equal(sinkErrorKind(code, message), kind));
}

const BACKUP = "Cannot delete indices that are being snapshotted: [[t/VMMBIAKgQj2_sF27Bz0guw]]. " +
  "Try again after snapshot finishes or cancel the currently running snapshot.";

for (
  const [message, code, kind] of [
    [`SnapshotInProgressException[${BACKUP}]`, "5000", "backup running"],
    [BACKUP, "XX000", "backup running"],
    [`Cannot cast object element \`a\` with value \`${BACKUP}\` to type \`bigint\``, "XX000", "refused"],
  ] as const
) {
  Deno.test(`sinkErrorKind() of ${code} ${message}`, () => assert.equal(sinkErrorKind(code, message), kind));
}

/** What PostgreSQL answers that waits, and what it answers of values. */
const STATES: Readonly<Record<string, SinkErrorKind>> = {
  "08000": "unavailable",
  "08006": "unavailable",
  "08P01": "unavailable",
  "25006": "unavailable",
  "40001": "unavailable",
  "53100": "unavailable",
  "53200": "unavailable",
  "53300": "unavailable",
  "55006": "unavailable",
  "55P03": "unavailable",
  "57014": "unavailable",
  "57P01": "unavailable",
  "57P02": "unavailable",
  "57P03": "unavailable",
  "57P04": "unknown database",
  "57P05": "unavailable",
  "58030": "unavailable",
  "22003": "refused",
  "22P05": "refused",
  "23502": "refused",
  "23514": "refused",
  "54000": "refused",
  "P0001": "refused",
  "XX000": "unspecific",
  "XX001": "unspecific",
  "F0000": "unspecific",
};

for (const [code, kind] of Object.entries(STATES)) {
  Deno.test(`sinkErrorKind() of SQLSTATE ${code}`, () => assert.equal(sinkErrorKind(code, "Oh."), kind));
}

/** CrateDB's errors about values over the PostgreSQL wire, all with the same code. */
const REFUSALS = [
  "Cannot cast object element `n` with value `abc` to type `bigint`",
  '"a.b" contains a dot',
  '"a[b" conflicts with subscript pattern, square brackets are not allowed',
  "Failed to parse mapping: name cannot be empty string",
  "Dynamic nested arrays are not supported",
  "Mixed dataTypes inside a list are not supported. Found integer and text",
  "Cannot detect the type of the value: 92233720368547758080",
  'Document contains at least one immense term in field="9" (whose UTF8 encoding is longer than …)',
  "Duplicate field 'n'\n at [Source: REDACTED; line: 1, column: 11]",
  "Failed CONSTRAINT pos CHECK (\"data\"['c'] > 0) for values: [a, {c=-1}, null]",
  "\"data['need']\" must not be null",
  "Cannot add column `u` to strict object `data`",
];

for (const message of REFUSALS) {
  Deno.test(`sinkErrorKind() of XX000 ${message}`, () =>
    assert.equal(sinkErrorKind("XX000", message), "refused"));
}

Deno.test("sinkErrorKind() of an error without a code is no refusal of values", () => {
  assert.equal(sinkErrorKind(undefined, "x is not a function"), "unspecific");
});

const LOST: readonly (readonly [string, boolean])[] = [
  ["ECONNRESET", true],
  ["ETIMEDOUT", true],
  ["CONNECTION_CLOSED", true],
  ["502", true],
  ["504", true],
  ["ECONNREFUSED", false],
  ["ENOTFOUND", false],
  ["4000", false],
  ["429", false],
];

for (const [code, expected] of LOST) {
  Deno.test(`isAnswerLost() of ${code}`, () => {
    assert.equal(isAnswerLost(new SinkError("Oh.", { code })), expected);
  });
}

const OF_A_NODE: readonly (readonly [string, string, boolean])[] = [
  ["ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:4200", true],
  ["ENOTFOUND", "getaddrinfo ENOTFOUND a", true],
  ["CERT_HAS_EXPIRED", "certificate has expired", true],
  ["503", "HTTP status 503", true],
  ["5000", "MasterNotDiscoveredException[null]", true],
  ["5000", "ClusterBlockException[blocked by: [SERVICE_UNAVAILABLE/2/no master];]", true],
  ["XX000", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];", true],
  ["XX000", "node closed {n1}{abc}{10.0.0.1}", true],
  ["57P03", "the database system is starting up", true],
  ["ETIMEDOUT", "no answer within 120 s", false],
  ["XX000", "blocked by: [FORBIDDEN/8/index write (api)];", false],
  ["XX000", "[doc.t] shard 0 is not available", false],
  ["4092", "VersionConflictException[…]", false],
  ["28P01", "password authentication failed", false],
];

for (const [code, message, expected] of OF_A_NODE) {
  Deno.test(`isNodeError() ${code}: ${message}`, () => {
    assert.equal(isNodeError(new SinkError(message, { code })), expected);
  });
}

Deno.test("refusalText() has kind, code and what the server names beside the message, never the message", () => {
  const values = "Failed CONSTRAINT small CHECK (n < 100) for values: [secret]";
  const texts = [
    new SinkError(values, { code: "4000" }),
    new SinkError(values, { code: "XX000", kind: "unspecific" }),
    new SinkError(values, { code: "23514", subject: "constraint small" }),
    new SinkError(values, { kind: "too large" }),
    new SinkError(values, { kind: "refused" }),
  ].map((error) => refusalText("CrateDB", error));
  assert.deepEqual(texts, [
    "CrateDB refuses the row (code 4000)",
    "CrateDB refuses the row (code XX000)",
    "CrateDB refuses the row (code 23514, constraint small)",
    "CrateDB refuses the row (too large)",
    "CrateDB refuses the row",
  ]);
});
