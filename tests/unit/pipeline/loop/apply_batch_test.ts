import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import {
  BsonType,
  type BsonValue,
  bytesOf as bytesOfValue,
  fieldsByName,
} from "../../../../lib/bson/bson.ts";
import { documentKeyText } from "../../../../lib/key/document_key.ts";
import { keyText } from "../../../../lib/key/key_text.ts";
import { applyBatch, type ApplyDeps } from "../../../../lib/pipeline/loop/apply_batch.ts";
import { type Emit, on } from "../../../../lib/pipeline/status/events.ts";
import type { DocumentState } from "../../../../lib/pipeline/collections/table_applier.ts";
import { MongodbCode } from "../../../../lib/source/connection/mongodb_errors.ts";
import type { DocumentChange } from "../../../../lib/source/stream/event.ts";

const NAMESPACE = { database: "shop", collection: "orders" };
const TENANT = "tenant";

const bytesOf = (document: Document) => new Uint8Array(BSON.serialize(document));

function idOf(_id: number): BsonValue {
  const id = fieldsByName(bytesOf({ _id: new BSON.Int32(_id) })).get("_id");
  assert.ok(id);
  return id;
}

const change = (_id: number, what: Partial<DocumentChange>): DocumentChange => ({
  namespace: NAMESPACE,
  id: idOf(_id),
  document: undefined,
  operation: "update",
  ...what,
});
const upsert = (_id: number, tenant: string) =>
  change(_id, { document: bytesOf({ _id, tenant }), operation: "insert" });
const untoldUpdate = (_id: number) => change(_id, {});
const deletion = (_id: number) => change(_id, { document: null, operation: "delete" });
const untoldDelete = (_id: number) => change(_id, { operation: "delete" });

/** The tenant of each row after the changes are applied; MongoDB has `documents`. */
async function applied(
  changes: readonly DocumentChange[],
  {
    documents = {},
    rows = {},
    transform = [],
    fullDocument,
    deletes = "hard",
    told,
    asked = [],
    emit = () => {},
  }: {
    documents?: Record<number, string>;
    rows?: Record<number, string>;
    transform?: readonly Document[];
    fullDocument?: "lookup" | "required";
    deletes?: "hard" | "soft" | "keep";
    /** Takes the operation and the time of each state. */
    told?: unknown[];
    /** Takes the keys of each look-up. */
    asked?: string[][];
    emit?: Emit;
  },
): Promise<Record<string, string>> {
  const there = new Map(Object.entries(documents).map(([id, tenant]) => [keyText(idOf(Number(id))), tenant]));
  const left = new Map(Object.entries(rows));
  const deps = {
    settings: { scope: { includes: () => true }, for: () => ({ transform, fullDocument, deletes }) },
    emit,
    causalReader: { after: () => {} },
    reader: {
      async *lookUp(_namespace: unknown, ids: readonly BsonValue[]) {
        asked.push(ids.map(keyText));
        yield ids.map((id) => {
          const tenant = there.get(keyText(id));
          return { id, document: tenant === undefined ? null : bytesOf({ tenant }) };
        });
      },
    },
    tables: {
      forEachCollection: (changes: readonly DocumentChange[], work: (of: unknown) => Promise<void>) =>
        work({
          namespace: NAMESPACE,
          changes,
          applier: {
            shardKey: [],
            apply(states: readonly DocumentState[]) {
              for (const { id, document, operation, clusterTime } of states) {
                told?.push([operation, clusterTime]);
                const oid = String(
                  new DataView(id.bytes.buffer, id.bytes.byteOffset).getInt32(id.offset, true),
                );
                if (document) left.set(oid, String(BSON.deserialize(document)[TENANT]));
                else left.delete(oid);
              }
            },
          },
        }),
    },
  };
  await applyBatch(
    {
      changes,
      event: undefined,
      events: changes.length,
      bytes: 0,
      token: new Uint8Array(),
      operationTime: undefined,
      wallTime: undefined,
    },
    deps as unknown as ApplyDeps,
  );
  return Object.fromEntries(left);
}

Deno.test("applyBatch() looks each document up once, and none that is in its last event", async () => {
  const asked: string[][] = [];
  const changes = [
    untoldUpdate(1),
    upsert(2, "b"),
    untoldUpdate(1),
    untoldUpdate(2),
    untoldUpdate(3),
    upsert(3, "c"),
  ];
  const left = await applied(changes, { documents: { 1: "a", 2: "b2", 3: "later" }, asked });
  assert.deepEqual(left, { 1: "a", 2: "b2", 3: "c" });
  assert.deepEqual(asked.filter(({ length }) => length > 0), [[1, 2].map((id) => keyText(idOf(id)))]);
});

Deno.test("applyBatch() emits the events of each collection by operation, and each look-up", async () => {
  const told: unknown[] = [];
  const emit = on({
    eventsRead: ({ namespace, operations }) => told.push([namespace, Object.fromEntries(operations)]),
    stageDone: ({ stage }) => told.push(stage),
  });
  await applied([upsert(1, "a"), untoldUpdate(1), untoldUpdate(2), deletion(3), untoldDelete(4)], {
    emit,
  });
  const operations = { insert: 1, update: 2, replace: 0, delete: 2 };
  assert.deepEqual(told, [[NAMESPACE, operations], "look_up", "look_up"]);
});

const CASES: readonly (readonly [string, Parameters<typeof applied>, Record<number, string>])[] = [
  ["a told delete removes the row", [[deletion(1)], { rows: { 1: "a" } }], {}],
  [
    "a delete on one shard leaves the row of the document on another shard",
    [[untoldDelete(1)], { documents: { 1: "z" }, rows: { 1: "a" } }],
    { 1: "z" },
  ],
  ["a delete of the only document of an _id removes the row", [[untoldDelete(1)], { rows: { 1: "a" } }], {}],
  [
    "an insert before this delete does not restore the row",
    [[upsert(1, "a"), untoldDelete(1)], {}],
    {},
  ],
  [
    "an insert after this delete stays, for example when the shard key changes",
    [[untoldDelete(1), upsert(1, "b")], { documents: { 1: "b" }, rows: { 1: "a" } }],
    { 1: "b" },
  ],
  [
    "an update of a deleted document leaves the row to the next delete",
    [[untoldUpdate(1)], { rows: { 1: "a" } }],
    { 1: "a" },
  ],
  ["a delete and an insert of one _id leave the new document", [[deletion(1), upsert(1, "b")], {
    rows: { 1: "a" },
  }], { 1: "b" }],
  ["an insert and an update of one _id leave what is looked up", [[upsert(1, "a"), untoldUpdate(1)], {
    documents: { 1: "b" },
  }], { 1: "b" }],
  ["an update and a complete delete of one _id remove the row", [[untoldUpdate(1), deletion(1)], {
    documents: { 1: "reinserted later" },
    rows: { 1: "a" },
  }], {}],
  ["an update and a delete of one _id remove the row", [[untoldUpdate(1), untoldDelete(1)], {
    rows: { 1: "a" },
  }], {}],
  ["a transform is asked about every change", [[upsert(1, "a")], {
    rows: { 1: "a" },
    transform: [{ $match: {} }],
  }], {}],
];

for (const [what, given, left] of CASES) {
  Deno.test(`applyBatch(): ${what}`, async () => assert.deepEqual(await applied(...given), left));
}

for (const deletes of ["soft", "keep"] as const) {
  Deno.test(`applyBatch() with --deletes ${deletes} writes a document that is gone when it is looked up`, async () => {
    assert.deepEqual(await applied([upsert(1, "a"), untoldUpdate(1)], { deletes }), { 1: "a" });
  });
}

Deno.test("applyBatch() leaves deletes out if rows are kept", async () => {
  const changes = [upsert(1, "a"), deletion(1), untoldDelete(2)];
  assert.deepEqual(await applied(changes, { deletes: "keep", rows: { 2: "b" } }), { 1: "a", 2: "b" });
});

Deno.test("applyBatch() adds the last operation and its time to what is looked up", async () => {
  const told: unknown[] = [];
  const changes = [
    { ...untoldUpdate(1), clusterTime: 1_000 },
    { ...untoldUpdate(1), clusterTime: 2_000, operation: "replace" as const },
    { ...untoldDelete(2), clusterTime: 3_000 },
    { ...upsert(3, "c"), clusterTime: 4_000 },
  ];
  await applied(changes, { deletes: "soft", documents: { 1: "a" }, told });
  assert.deepEqual(told, [["insert", 4_000], ["replace", 2_000], ["delete", 3_000]]);
});

/** A document, or the key of one, in a collection that is sharded by the tenant. */
interface Keyed {
  readonly _id: number;
  readonly tenant: string;
}

const key = ({ _id, tenant }: Keyed): BsonValue => {
  const bytes = bytesOf({ tenant, _id: new BSON.Int32(_id) });
  return { type: BsonType.document, bytes, offset: 0, length: bytes.length };
};
const a = { _id: 1, tenant: "a" };
const z = { _id: 1, tenant: "z" };

const keyedUpsert = (document: Keyed, as: Keyed = document) =>
  change(document._id, {
    document: bytesOf({ ...document, _id: new BSON.Int32(document._id) }),
    key: key(as),
  });
const keyedUpdate = (of: Keyed) => change(of._id, { key: key(of) });
const keyedDelete = (of: Keyed) => change(of._id, { key: key(of), operation: "delete" });

const keyTextOf = (of: Keyed) => documentKeyText(bytesOfValue(key(of)), [TENANT]);

interface KeyedSetting {
  readonly documents: readonly Keyed[];
  readonly rows: readonly Keyed[];
  /** The `_id` of documents that MongoDB cannot transform. */
  readonly refused?: number;
  /** Takes the keys of dead letters. */
  readonly letters?: Set<string>;
}

/** The remaining rows, by key, if MongoDB has these documents. */
async function keyedRows(
  changes: readonly DocumentChange[],
  { documents, rows, refused, letters }: KeyedSetting,
): Promise<string[]> {
  const left = new Set(rows.map(keyTextOf));
  const keyOf = ({ id, key, document }: DocumentState) => {
    const source = document ?? (key && bytesOfValue(key));
    return source ? documentKeyText(source, [TENANT]) : keyText(id);
  };
  const deps = {
    settings: { scope: { includes: () => true }, for: () => ({ transform: [] }) },
    emit: () => {},
    causalReader: { after: () => {} },
    reader: {
      async *lookUp(_namespace: unknown, ids: readonly BsonValue[]) {
        const asked = new Map(ids.map((id) => [keyText(id), id]));
        for (const id of asked.values()) {
          if (refused !== undefined && keyText(idOf(refused)) === keyText(id)) {
            yield [{ id, document: null, refusal: "no transform" }];
            continue;
          }
          const found = documents.filter(({ _id }) => keyText(idOf(_id)) === keyText(id));
          yield found.length > 0
            ? found.map((each) => ({ id, document: bytesOf({ ...each, _id: new BSON.Int32(each._id) }) }))
            : [{ id, document: null }];
        }
      },
    },
    tables: {
      forEachCollection: (changes: readonly DocumentChange[], work: (of: unknown) => Promise<void>) =>
        work({
          namespace: NAMESPACE,
          changes,
          applier: {
            shardKey: [TENANT],
            keyOf,
            apply(states: readonly DocumentState[]) {
              for (const state of states) {
                if (state.document) left.add(keyOf(state));
                else left.delete(keyOf(state));
                if (state.refusal === undefined) letters?.delete(keyOf(state));
                else letters?.add(keyOf(state));
              }
            },
          },
        }),
    },
  };
  const batch = { event: undefined, events: changes.length, bytes: 0, token: new Uint8Array() };
  await applyBatch(
    { ...batch, changes, operationTime: undefined, wallTime: undefined },
    deps as unknown as ApplyDeps,
  );
  return [...left].sort();
}

const KEYED: Readonly<
  Record<string, {
    readonly changes: readonly DocumentChange[];
    readonly documents: readonly Keyed[];
    readonly rows: readonly Keyed[];
  }>
> = {
  "two documents of one _id have a row each": {
    changes: [keyedUpsert(a), keyedUpsert(z)],
    documents: [a, z],
    rows: [],
  },
  "a delete of one leaves the other": { changes: [keyedDelete(a)], documents: [z], rows: [a, z] },
  "a delete of an orphan leaves the row": { changes: [keyedDelete(a)], documents: [a], rows: [a] },
  "an insert before the delete of the same move stays": {
    changes: [keyedUpsert(a), keyedDelete(z)],
    documents: [a],
    rows: [z],
  },
  "a delete before the insert of the same move": {
    changes: [keyedDelete(z), keyedUpsert(a)],
    documents: [a],
    rows: [z],
  },
  "an update that changes the shard key on one shard": {
    changes: [keyedUpsert(a, z)],
    documents: [a],
    rows: [z],
  },
  "an update of a deleted document": { changes: [keyedUpdate(a)], documents: [], rows: [a] },
  "an update that is looked up": { changes: [keyedUpdate(a)], documents: [a, z], rows: [a, z] },
  "an update and a delete": { changes: [keyedUpsert(a), keyedDelete(a)], documents: [], rows: [] },
};

for (const [what, given] of Object.entries(KEYED)) {
  Deno.test(`applyBatch() with rows named by document keys: ${what}`, async () =>
    assert.deepEqual(await keyedRows(given.changes, given), given.documents.map(keyTextOf).sort()));
}

Deno.test("applyBatch() with rows named by document keys: a document that MongoDB refuses is a dead letter under its key", async () => {
  const other = { _id: 2, tenant: "a" };
  const letters = new Set<string>();
  const changes = [keyedUpdate(a), keyedUpdate(other)];
  const left = await keyedRows(changes, { documents: [a, other], rows: [a, other], refused: 1, letters });
  assert.deepEqual(left, [keyTextOf(other)]);
  assert.deepEqual([...letters], [keyTextOf(a)]);
});

Deno.test("applyBatch() looks nothing up for a collection that requires post-images", async () => {
  const options = { fullDocument: "required", documents: { 1: "later" } } as const;
  assert.deepEqual(await applied([upsert(1, "a"), deletion(2)], options), { 1: "a" });
  // A delete in a sharded collection has to be looked up: there is no image after it.
  const rows = { 4: "deleted" };
  assert.deepEqual(await applied([upsert(1, "a"), untoldDelete(4)], { ...options, rows }), { 1: "a" });
  await assert.rejects(applied([upsert(1, "a"), untoldUpdate(1)], options), {
    name: "MongoServerError",
    code: MongodbCode.NoMatchingDocument,
  });
});
