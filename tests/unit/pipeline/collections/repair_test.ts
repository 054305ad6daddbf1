import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { type BsonValue, fieldsByName } from "../../../../lib/bson/bson.ts";
import { keyText } from "../../../../lib/key/key_text.ts";
import type { RowKey } from "../../../../lib/key/document_key.ts";
import { repairRows } from "../../../../lib/pipeline/collections/repair.ts";
import { usableTables } from "../../../support/usable_tables.ts";

const ORDERS = { database: "shop", collection: "orders" };

const keyOf = (value: unknown): RowKey => {
  const id = fieldsByName(BSON.serialize({ _id: value })).get("_id");
  assert.ok(id);
  return { oid: keyText(id), id };
};
const HASHED: RowKey = { oid: "hashed", id: undefined };
const HASHED_TOO: RowKey = { oid: "1.0", id: undefined };

/** Repairs rows of a collection whose documents have these keys. */
async function repaired(
  existing: readonly string[],
  keys: readonly RowKey[],
  { isOwn = () => true, isSkipped = false }: {
    readonly isOwn?: (oid: string) => boolean;
    readonly isSkipped?: boolean;
  } = {},
) {
  const done: string[] = [];
  const tables = usableTables();
  if (isSkipped) tables.skip(ORDERS);
  const applier = {
    shardKey: [],
    keyOf: ({ id }: { id: BsonValue }) => keyText(id),
    apply: (states: readonly { id: BsonValue }[], reading: string) => {
      done.push(`${reading} ${states.map(({ id }) => keyText(id))}`);
      return Promise.resolve(states.length);
    },
    remove: (oids: readonly string[]) => Promise.resolve(void done.push(`remove ${oids}`)),
  };
  const rows = await repairRows(ORDERS, keys, {
    reader: {
      async *lookUp(_, ids) {
        const documentOf = (id: BsonValue) =>
          existing.includes(keyText(id)) ? BSON.serialize({ _id: keyText(id) }) : null;
        yield await Promise.resolve(ids.map((id) => ({ id, document: documentOf(id) })));
      },
      keysAmong: (_, keys) => Promise.resolve([...keys].filter((key) => existing.includes(key))),
    },
    tables: { ...tables, of: () => Promise.resolve(applier as never) },
    share: {
      among: (_, keys) => Promise.resolve(keys.filter((key) => isOwn((key as unknown as RowKey).oid))),
    },
  });
  return { rows, done };
}

Deno.test("repairRows() writes rows of documents that exist, and removes those of others", async () => {
  const keys = [keyOf(1), keyOf(2), HASHED, HASHED_TOO];
  assert.deepEqual(await repaired(["1", "hashed"], keys), {
    rows: 4,
    done: ["repair 1", "remove 2,1.0"],
  });
});

Deno.test("repairRows() leaves rows of other relays alone", async () => {
  const keys = [keyOf(1), keyOf(2), keyOf(3)];
  const { rows, done } = await repaired(["1", "2"], keys, { isOwn: (oid) => oid === "1" });
  assert.deepEqual([rows, done], [1, ["repair 1", "remove "]]);
});

Deno.test("repairRows() does nothing for a skipped collection, which is read again as a whole", async () => {
  assert.deepEqual(await repaired(["1"], [keyOf(1)], { isSkipped: true }), { rows: undefined, done: [] });
});
