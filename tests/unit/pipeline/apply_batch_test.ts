import assert from "node:assert/strict";
import { BSON, type Document } from "mongodb";
import { type BsonValue, fieldsByName } from "../../../lib/bson/bson.ts";
import { keyText } from "../../../lib/key/key_text.ts";
import { applyBatch, type ApplyDeps } from "../../../lib/pipeline/apply_batch.ts";
import type { DocumentChange } from "../../../lib/source/event.ts";

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
  isDelete: false,
  ...what,
});
const upsert = (_id: number, tenant: string) => change(_id, { document: bytesOf({ _id, tenant }) });
const untoldUpdate = (_id: number) => change(_id, {});
const deletion = (_id: number) => change(_id, { document: null, isDelete: true });
const untoldDelete = (_id: number) => change(_id, { isDelete: true });

/** The tenant of each row that is left when the changes are applied; MongoDB has `documents`. */
async function applied(
  changes: readonly DocumentChange[],
  { documents = {}, rows = {}, transform = [] }: {
    documents?: Record<number, string>;
    rows?: Record<number, string>;
    transform?: readonly Document[];
  },
): Promise<Record<string, string>> {
  const there = new Map(Object.entries(documents).map(([id, tenant]) => [keyText(idOf(Number(id))), tenant]));
  const left = new Map(Object.entries(rows));
  const deps = {
    settings: { scope: { includes: () => true }, transform },
    causalReader: { after: () => {} },
    reader: {
      async *lookUp(_namespace: unknown, ids: readonly BsonValue[]) {
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
            apply(states: readonly { id: BsonValue; document: Uint8Array | null }[]) {
              for (const { id, document } of states) {
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
    },
    deps as unknown as ApplyDeps,
  );
  return Object.fromEntries(left);
}

const CASES: readonly (readonly [string, Parameters<typeof applied>, Record<number, string>])[] = [
  ["a told delete removes the row", [[deletion(1)], { rows: { 1: "a" } }], {}],
  [
    "a delete on one shard leaves the row of the document on another shard",
    [[untoldDelete(1)], { documents: { 1: "z" }, rows: { 1: "a" } }],
    { 1: "z" },
  ],
  ["a delete of the only document of an _id removes the row", [[untoldDelete(1)], { rows: { 1: "a" } }], {}],
  [
    "an insert before such a delete does not bring the row back",
    [[upsert(1, "a"), untoldDelete(1)], {}],
    {},
  ],
  [
    "an insert after such a delete, as when the shard key changes, stays",
    [[untoldDelete(1), upsert(1, "b")], { documents: { 1: "b" }, rows: { 1: "a" } }],
    { 1: "b" },
  ],
  [
    "an update whose document is gone leaves the row to the delete that follows",
    [[untoldUpdate(1)], { rows: { 1: "a" } }],
    { 1: "a" },
  ],
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
