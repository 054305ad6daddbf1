import assert from "node:assert/strict";
import { SinkError } from "../lib/errors.ts";
import { isTransient, isUnknownRelation } from "../lib/sink/transport.ts";

const ERRORS: readonly (readonly [string, string | undefined, boolean])[] = [
  ["connect ECONNREFUSED 127.0.0.1:5432", "ECONNREFUSED", true],
  ["write CONNECTION_CLOSED localhost:5432", "CONNECTION_CLOSED", true],
  ["http://localhost:4200/_sql: Signal timed out.", "ECONNECT", true],
  ["HTTP status 503", "503", true],
  ['The relation "doc.t" doesn\'t support or allow INSERT operations', "4007", true],
  ['The relation "doc.t" doesn\'t support or allow INSERT operations', "XX000", true],
  ["MasterNotDiscoveredException[no master]", "5000", true],
  ["IllegalIndexShardStateException[CurrentState[RECOVERING] operations only allowed when …]", "5000", true],
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
  Deno.test(`isTransient() ${code}: ${message}`, () => {
    assert.equal(isTransient(new SinkError(message, { code })), expected);
  });
}

Deno.test("isTransient() is false for what the sink did not say", () => {
  assert.equal(isTransient(new Error("ECONNREFUSED")), false);
});

const RELATIONS: readonly (readonly [string, string, boolean])[] = [
  ["Relation 'doc.t' unknown", "4041", true],
  ["Relation 'doc.t' unknown", "42P01", true],
  ["Schema 'shop' unknown", "4045", true],
  ["Schema 'shop' unknown", "XX000", true],
  ["Cannot cast value `Schema 'shop' unknown` to type `bigint`", "XX000", false],
];

for (const [message, code, expected] of RELATIONS) {
  Deno.test(`isUnknownRelation() ${code}: ${message}`, () => {
    assert.equal(isUnknownRelation(new SinkError(message, { code })), expected);
  });
}
