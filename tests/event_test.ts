import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { type BsonValue, bytesOf } from "../lib/row/bson.ts";
import { readEvent } from "../lib/source/event.ts";

const TOKEN = { _data: "8266" };
const KEY = { documentKey: { _id: new BSON.Int32(7) } };
const DOCUMENT = { _id: new BSON.Int32(7), t: new BSON.Double(20.5) };

const read = (event: Document) => {
  const bytes = BSON.serialize({ _id: TOKEN, ...event }, { ignoreUndefined: true });
  const padded = new Uint8Array([1, 2, 3, ...bytes]);
  return readEvent(padded, 3);
};

const text = ({ type, ...value }: BsonValue): string => `${type}:${bytesOf({ type, ...value })}`;

const CHANGES: readonly (readonly [string, Document, Document | null])[] = [
  ["insert", { operationType: "insert", ...KEY, fullDocument: DOCUMENT }, DOCUMENT],
  ["update", { operationType: "update", ...KEY, fullDocument: DOCUMENT, updateDescription: {} }, DOCUMENT],
  ["replace", { operationType: "replace", ...KEY, fullDocument: DOCUMENT }, DOCUMENT],
  ["delete", { operationType: "delete", ...KEY }, null],
  ["delete in a sharded collection", {
    operationType: "delete",
    documentKey: { shard: 1, ...KEY.documentKey },
  }, null],
];

for (const [what, event, document] of CHANGES) {
  Deno.test(`readEvent() ${what}`, () => {
    const result = read(event);
    assert.ok(result && "change" in result);
    assert.equal(text(result.change.id), "16:7,0,0,0");
    assert.deepEqual(
      result.change.document && new Uint8Array(result.change.document),
      document && new Uint8Array(BSON.serialize(document)),
    );
  });
}

for (const event of [{ fullDocument: null }, {}]) {
  Deno.test(`readEvent() passes over an update with ${JSON.stringify(event)}: its delete is to come`, () => {
    assert.equal(read({ operationType: "update", ...KEY, ...event }), undefined);
  });
}

for (
  const operation of ["drop", "rename", "dropDatabase", "invalidate", "create", "refineCollectionShardKey"]
) {
  Deno.test(`readEvent() gives ${operation} as an event of the collection, with its token`, () => {
    const result = read({ operationType: operation });
    assert.ok(result && "event" in result);
    assert.equal(result.event.operation, operation);
    assert.deepEqual(BSON.deserialize(result.event.token), TOKEN);
  });
}

Deno.test("readEvent() of an event without a type", () => {
  const result = read({});
  assert.ok(result && "event" in result);
  assert.equal(result.event.operation, "(none)");
});

Deno.test("readEvent() refuses a change without a key", () => {
  assert.throws(() => read({ operationType: "delete" }), /documentKey/);
});
