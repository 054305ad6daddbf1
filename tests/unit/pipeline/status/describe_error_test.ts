import assert from "node:assert/strict";
import {
  MongoMissingDependencyError,
  MongoNetworkError,
  MongoParseError,
  MongoRuntimeError,
  MongoServerError,
  MongoServerSelectionError,
  type TopologyDescription,
} from "mongodb";
import { describe } from "../../../../lib/pipeline/status/describe_error.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { UsageError, UserError } from "../../../../lib/util/errors.ts";

const server = (code: number, codeName: string, message: string, errorLabels: string[] = []) =>
  new MongoServerError({ ok: 0, code, codeName, message, errmsg: message, errorLabels });

const selection = (cause: Error | undefined, type = "Unknown") =>
  new MongoServerSelectionError(cause?.message ?? "Server selection timed out after 5000 ms", {
    servers: new Map([["host:27017", { type, error: cause }]]),
    error: cause,
  } as unknown as TopologyDescription);

const networkError = (message: string, code: string) =>
  new MongoNetworkError(message, { cause: Object.assign(new Error(message), { code }) });

const KNOWN: readonly (readonly [string, unknown, RegExp, RegExp])[] = [
  [
    "no replica set",
    server(40573, "Location40573", "The $changeStream stage is only supported on replica sets"),
    /without a replica set/,
    /rs\.initiate\(/,
  ],
  [
    "a replica set that was not initiated",
    server(94, "NotYetInitialized", "no replset config has been received"),
    /not been initiated/,
    /rs\.initiate\(/,
  ],
  [
    "a replica set that was not initiated, seen by its key cache",
    server(211, "KeyNotFound", "Failed to refresh key cache"),
    /not been initiated/,
    /rs\.initiate\(/,
  ],
  [
    "a member that was not initiated",
    selection(undefined, "RSGhost"),
    /not been initiated/,
    /rs\.initiate\(/,
  ],
  [
    "a wrong password",
    server(18, "AuthenticationFailed", "Authentication failed."),
    /MongoDB refused/,
    /authSource/,
  ],
  [
    "no authentication",
    server(13, "Unauthorized", "Command aggregate requires authentication"),
    /MongoDB does not allow this.*aggregate/,
    /MONGODB_URL/,
  ],
  [
    "a missing role",
    server(13, "Unauthorized", "not authorized on testdrive to execute command"),
    /MongoDB does not allow this.*testdrive/,
    /role read/,
  ],
  [
    "a post-image that is missing",
    server(47, "NoMatchingDocument", "Change stream was configured to require a post-image for all updates", [
      "NonResumableChangeStreamError",
    ]),
    /no post-image.*--full-document required/,
    /collMod[^]*--full-document whenAvailable/,
  ],
  [
    "an unknown MongoDB host",
    selection(networkError("getaddrinfo ENOTFOUND nosuch.example.org", "ENOTFOUND")),
    /MongoDB host is unknown.*nosuch\.example\.org/,
    /MONGODB_URL/,
  ],
  [
    "a MongoDB that is not running",
    selection(networkError("connect ECONNREFUSED 127.0.0.1:27017", "ECONNREFUSED")),
    /MongoDB cannot be reached.*127\.0\.0\.1:27017/,
    /directConnection/,
  ],
  ["a lost MongoDB", new MongoNetworkError("connection closed"), /MongoDB cannot be reached/, /running/],
  [
    "a wrong CrateDB password, HTTP",
    new SinkError("x", { code: "401" }),
    /CrateDB refused/,
    /CRATEDB_SQLALCHEMY_URL/,
  ],
  [
    "as many tables as CrateDB takes",
    new SinkError(
      "SQLParseException[Validation Failed: 1: this action would add [4] total shards, but this cluster currently " +
        "has [1000]/[1000] maximum shards open;]",
      { code: "4000" },
    ),
    /no room for another table: .*maximum shards open/,
    /--exclude/,
  ],
  [
    "a package of the driver's that is missing",
    new MongoRuntimeError("Optional module `kerberos` not found.", {
      cause: new MongoMissingDependencyError("Optional module `kerberos` not found.", {
        dependencyName: "kerberos",
        cause: new Error("x"),
      }),
    }),
    /needs the package kerberos/,
    /deno add npm:kerberos/,
  ],
  ["a wrong CrateDB password, wire", new SinkError("x", { code: "28000" }), /CrateDB refused/, /CRATEDB_URL/],
  [
    "a missing privilege",
    new SinkError("Missing 'DML' privilege", { code: "42501" }),
    /does not allow this.*DML/,
    /GRANT/,
  ],
  [
    "a missing privilege, HTTP",
    new SinkError("MissingPrivilegeException[Missing 'DML' privilege]", { code: "4011" }),
    /does not allow this.*DML/,
    /GRANT/,
  ],
  [
    "an unknown CrateDB host",
    new SinkError("getaddrinfo ENOTFOUND nosuch.example.org", { code: "ENOTFOUND" }),
    /CrateDB host is unknown.*nosuch/,
    /CRATEDB_URL/,
  ],
  [
    "a certificate",
    new SinkError("https://localhost:4200/_sql: invalid peer certificate: UnknownIssuer", {
      code: "ECONNECT",
      kind: "tls",
    }),
    /TLS connection to CrateDB failed/,
    /--cratedb-ca/,
  ],
  [
    "a CrateDB that is not running",
    new SinkError("connect ECONNREFUSED 127.0.0.1:4200", { code: "ECONNREFUSED" }),
    /CrateDB cannot be reached.*127\.0\.0\.1:4200/,
    /running/,
  ],
];

for (const [what, error, message, hint] of KNOWN) {
  Deno.test(`describe() ${what}`, () => {
    const described = describe(error);
    assert.match(described.message, message);
    assert.match(described.hint ?? "", hint);
    assert.equal(described.exitCode, 1);
    assert.doesNotMatch(described.message, /^\s+at /m);
  });
}

Deno.test("describe() gives wrong usage the exit code 2, other errors for users 1", () => {
  assert.deepEqual(describe(new UsageError("wrong", { hint: "right" })), {
    message: "wrong",
    hint: "right",
    exitCode: 2,
  });
  assert.deepEqual(describe(new UserError("failed")), { message: "failed", hint: undefined, exitCode: 1 });
});

const UNKNOWN: readonly (readonly [string, unknown, string])[] = [
  ["an error that nothing is known of", new Error("something odd"), "something odd"],
  ["an error without a message", new RangeError(), "RangeError"],
  ["what is not an error", "just text", "just text"],
  ["nothing", undefined, "undefined"],
  [
    "an error of CrateDB's that mentions 401",
    new SinkError("line 401: no viable input", { code: "4000" }),
    "line 401: no viable input",
  ],
  [
    "an error of CrateDB's that mentions ssl in a name",
    new SinkError('Relation "hassle" unknown', { code: "4041" }),
    'Relation "hassle" unknown',
  ],
];

for (const [what, error, message] of UNKNOWN) {
  Deno.test(`describe() ${what}`, () => {
    const { stack: _, ...described } = describe(error);
    assert.deepEqual(described, { message, hint: undefined, exitCode: 1 });
  });
}

/** Names and values that users choose, each of which is a word of some other failure. */
const HOSTILE = [
  "tls",
  "certificates",
  "refused",
  "40573",
  "is a view",
  "timeout",
  "refused_at",
  "ENOTFOUND",
  "maximum shards open",
  "Schema 'sys' unknown",
  "MongoServerError 18",
  "authentication failed",
  "no replset config",
];

const QUOTING: Readonly<Record<string, (name: string) => Error>> = {
  "a relation": (name) => new SinkError(`Relation '${name}.${name}' unknown`, { code: "4041" }),
  "a relation, over the wire": (name) => new SinkError(`Relation '${name}' unknown`, { code: "42P01" }),
  "a column": (name) => new SinkError(`Column ${name} unknown`, { code: "4043" }),
  "a value": (name) =>
    new SinkError(`Cannot cast object element \`a\` with value \`${name}\` to type \`bigint\``, {
      code: "XX000",
    }),
  "a table in an exception": (name) =>
    new SinkError(`SQLParseException[Cannot cast value \`${name}\` to type \`bigint\`]`, { code: "4000" }),
  "a statement": (name) => new SinkError(`line 1:8: mismatched input '${name}'`, { code: "42601" }),
  "a pipeline": (name) => server(40324, "Location40324", `Unrecognized pipeline stage name: '${name}'`),
  "a collection": (name) => server(73, "InvalidNamespace", `Invalid collection name: ${name}`),
  "a document": (name) => server(121, "DocumentValidationFailure", `Document failed validation: ${name}`),
};

for (const [what, quoting] of Object.entries(QUOTING)) {
  Deno.test(`describe() is not misled by names and values: ${what}`, () => {
    const plain = describe(quoting("orders"));
    for (const name of HOSTILE) {
      const { message, hint } = describe(quoting(name));
      assert.deepEqual({ message, hint }, {
        message: plain.message.replaceAll("orders", name),
        hint: plain.hint,
      });
    }
  });
}

for (const kind of [Error, UserError, UsageError, SinkError, MongoParseError]) {
  Deno.test(`describe() never shows a password: ${kind.name}`, () => {
    const { message } = describe(new kind("cannot use mongodb://me:s3cret@host/"));
    assert.match(message, /mongodb:\/\/me:\*\*\*@host/);
  });
}

Deno.test("describe() has the stack of an error that nobody expects, without passwords, and of no other", () => {
  const { message, stack } = describe(new TypeError("cannot read crate://me:secret@host"));
  assert.equal(message, "cannot read crate://me:***@host");
  assert.match(stack ?? "", /^TypeError: cannot read crate:\/\/me:\*\*\*@host\n +at .*describe_error_test/);
  for (const error of [new UserError("failed"), new SinkError("failed"), server(2, "BadValue", "failed")]) {
    assert.equal(describe(error).stack, undefined);
  }
});
