import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { type BsonValue, bytesOf, int32At } from "../../../../lib/bson/bson.ts";
import {
  type EventFields,
  eventFields,
  readEvent,
  SplitEvents,
} from "../../../../lib/source/stream/event.ts";

const TOKEN = { _data: "8266" };
const NAMESPACE = { database: "shop", collection: "order.lines" };
const KEY = { ns: { db: "shop", coll: "order.lines" }, documentKey: { _id: new BSON.Int32(7) } };
const DOCUMENT = { _id: new BSON.Int32(7), t: new BSON.Double(20.5) };

const read = (event: Document) => {
  const bytes = BSON.serialize({ _id: TOKEN, ...event }, { ignoreUndefined: true });
  const padded = new Uint8Array([1, 2, 3, ...bytes]);
  return readEvent(eventFields(padded, 3));
};

const text = ({ type, ...value }: BsonValue): string => `${type}:${bytesOf({ type, ...value })}`;

const CHANGES: readonly (readonly [string, Document, Document | null | undefined])[] = [
  ["insert", { operationType: "insert", ...KEY, fullDocument: DOCUMENT }, DOCUMENT],
  ["update", { operationType: "update", ...KEY, fullDocument: DOCUMENT, updateDescription: {} }, DOCUMENT],
  ["replace", { operationType: "replace", ...KEY, fullDocument: DOCUMENT }, DOCUMENT],
  ["delete", { operationType: "delete", ...KEY }, null],
  [
    "delete of one of possibly several documents with this _id",
    { ...KEY, operationType: "delete", documentKey: { shard: 1, ...KEY.documentKey } },
    undefined,
  ],
];

for (const [what, event, document] of CHANGES) {
  Deno.test(`readEvent() ${what}`, () => {
    const result = read(event);
    assert.ok("change" in result);
    assert.deepEqual(result.change.namespace, NAMESPACE);
    assert.equal(text(result.change.id), "16:7,0,0,0");
    assert.equal(result.change.operation, event.operationType);
    assert.deepEqual(
      result.change.document && new Uint8Array(result.change.document),
      document && new Uint8Array(BSON.serialize(document)),
    );
  });
}

for (const event of [{ fullDocument: null }, {}]) {
  Deno.test(`readEvent() of an update with ${JSON.stringify(event)} has no document: it was deleted or not requested`, () => {
    const result = read({ operationType: "update", ...KEY, ...event });
    assert.ok("change" in result);
    assert.equal(text(result.change.id), "16:7,0,0,0");
    assert.equal(result.change.document, undefined);
  });
}

for (
  const operation of ["drop", "rename", "dropDatabase", "invalidate", "create", "refineCollectionShardKey"]
) {
  Deno.test(`readEvent() returns ${operation} as an event of the collection, with its token`, () => {
    const result = read({ operationType: operation, ns: { db: "shop", coll: "order.lines" } });
    assert.ok("event" in result);
    const { token, ...event } = result.event;
    assert.deepEqual(event, { operation, namespace: NAMESPACE, to: undefined, unfollowed: false });
    assert.deepEqual(BSON.deserialize(token), TOKEN);
  });
}

/** The fields of an event besides its type, and the expected namespaces. */
const NAMED: readonly (readonly [string, Document, Document])[] = [
  [
    "rename",
    { ns: { db: "a", coll: "b" }, to: { db: "c", coll: "d" } },
    { namespace: { database: "a", collection: "b" }, to: { database: "c", collection: "d" } },
  ],
  ["dropDatabase", { ns: { db: "a" } }, { namespace: { database: "a", collection: "" }, to: undefined }],
  ["invalidate", {}, { namespace: { database: "", collection: "" }, to: undefined }],
];

for (const [operation, fields, expected] of NAMED) {
  Deno.test(`readEvent() of ${operation} has its namespaces`, () => {
    const result = read({ operationType: operation, ...fields });
    assert.ok("event" in result);
    const { namespace, to } = result.event;
    assert.deepEqual({ namespace, to }, expected);
  });
}

Deno.test("readEvent() of an event without a type", () => {
  const result = read({});
  assert.ok("event" in result);
  assert.equal(result.event.operation, "(none)");
});

Deno.test("readEvent() refuses a change without a key", () => {
  assert.throws(() => read({ operationType: "delete" }), /documentKey/);
});

Deno.test("readEvent() returns the same namespace object for events of one collection only", () => {
  const namespaceOf = (database: string, collection: string) => {
    const result = read({ operationType: "insert", ...KEY, ns: { db: database, coll: collection } });
    assert.ok("change" in result);
    return result.change.namespace;
  };
  const first = namespaceOf("shop", "lines");
  assert.equal(namespaceOf("shop", "lines"), first);
  for (const [database, collection] of [["shop", "zines"], ["shop", "line"], ["chop", "lines"]] as const) {
    assert.deepEqual(namespaceOf(database, collection), { database, collection });
  }
  assert.deepEqual(namespaceOf("shop", "lines"), first);
});

Deno.test("eventFields() ignores unused fields", () => {
  const fields = eventFields(BSON.serialize({ _id: TOKEN, lsid: {}, toString: 1, ns: {} }));
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  assert.deepEqual(given.map(([name]) => name), ["_id", "ns"]);
});

const FIELDS = ["operationType", "ns", "to", "documentKey", "fullDocument"] as const;

const event = (document: Document) => eventFields(BSON.serialize(document));
const fragment = (number: number, of: number, document: Document) =>
  event({ ...document, splitEvent: { fragment: number, of } });

const numberOf = (value: BsonValue): number => int32At(value.bytes, value.offset);

/** The fields of a whole event that are numbers. */
const numbers = (whole: EventFields | undefined): Record<string, number> =>
  Object.fromEntries(
    Object.entries(whole ?? {}).flatMap(([name, value]) =>
      value && name !== "splitEvent" ? [[name, numberOf(value)]] : []
    ),
  );

Deno.test("SplitEvents.join() returns a whole event unchanged", () => {
  const split = new SplitEvents();
  const whole = event({ ns: 1 });
  assert.equal(split.join(whole), whole);
  assert.equal(split.incomplete, false);
});

for (const count of [1, 2, 3, 5]) {
  Deno.test(`SplitEvents.join() joins ${count} fragments, with the token of the last one`, () => {
    const split = new SplitEvents();
    for (let number = 1; number < count; number++) {
      assert.equal(
        split.join(fragment(number, count, { _id: number, [FIELDS[number - 1] ?? ""]: number })),
        undefined,
      );
      assert.equal(split.incomplete, true);
    }
    const whole = split.join(fragment(count, count, { _id: count, [FIELDS[count - 1] ?? ""]: count }));
    assert.equal(split.incomplete, false);
    const all = FIELDS.slice(0, count).map((name, index) => [name, index + 1]);
    assert.deepEqual(numbers(whole), { _id: count, ...Object.fromEntries(all) });
  });
}

Deno.test("SplitEvents.join() starts again at a first fragment", () => {
  const split = new SplitEvents();
  split.join(fragment(1, 2, { to: 1 }));
  split.join(fragment(1, 2, { ns: 1 }));
  assert.deepEqual(numbers(split.join(fragment(2, 2, { documentKey: 2 }))), { ns: 1, documentKey: 2 });
});

Deno.test("SplitEvents.join() keeps no fields of the previous event", () => {
  const split = new SplitEvents();
  split.join(fragment(1, 2, { ns: 1 }));
  split.join(fragment(2, 2, { documentKey: 2 }));
  split.join(fragment(1, 2, { ns: 3 }));
  assert.deepEqual(numbers(split.join(fragment(2, 2, { fullDocument: 4 }))), { ns: 3, fullDocument: 4 });
  assert.deepEqual(numbers(split.join(event({ to: 5 }))), { to: 5 });
});

Deno.test("readEvent() has the second of the cluster time in milliseconds", () => {
  for (const t of [1_793_491_200, 4_000_000_000]) {
    const result = read({ operationType: "delete", ...KEY, clusterTime: new BSON.Timestamp({ t, i: 3 }) });
    assert.equal("change" in result && result.change.clusterTime, t * 1_000);
  }
});
