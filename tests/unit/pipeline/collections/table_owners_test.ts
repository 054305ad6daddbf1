import assert from "node:assert/strict";
import { TableOwners } from "../../../../lib/pipeline/collections/table_owners.ts";
import type { Namespace } from "../../../../lib/util/namespace.ts";

const A = { database: "shop", collection: "order.lines" };
const B = { database: "shop", collection: "order_lines" };
const TABLE = '"shop"."order_lines"';

function ownersWith(...there: Namespace[]) {
  const exists = new Set<Namespace>(there);
  return {
    owners: new TableOwners({ exists: (namespace) => Promise.resolve(exists.has(namespace)) }),
    exists,
  };
}

Deno.test("TableOwners: the first collection owns a table", async () => {
  const { owners } = ownersWith(A);
  await owners.claim(TABLE, A);
  assert.equal(await owners.newOwner(TABLE, A), undefined);
});

Deno.test("TableOwners: a collection that is gone does not take a table away", async () => {
  const { owners } = ownersWith(A);
  await owners.claim(TABLE, A);
  await owners.claim(TABLE, B);
  assert.equal(await owners.newOwner(TABLE, B), A);
});

Deno.test("TableOwners: two collections that are there do not share a table", async () => {
  const { owners } = ownersWith(A, B);
  await owners.claim(TABLE, A);
  await assert.rejects(
    owners.claim(TABLE, B),
    /Two collections would share .*order\.lines and shop\.order_lines/,
  );
});

Deno.test("TableOwners: a table goes to another collection when its owner is gone", async () => {
  const { owners, exists } = ownersWith(A);
  await owners.claim(TABLE, A);
  exists.delete(A);
  exists.add(B);
  await owners.claim(TABLE, B);
  assert.equal(await owners.newOwner(TABLE, A), B);
});

Deno.test("TableOwners: a table that its owner has released belongs to nobody", async () => {
  const { owners } = ownersWith(A, B);
  await owners.claim(TABLE, A);
  owners.release(TABLE, B);
  assert.equal(await owners.newOwner(TABLE, B), A);
  assert.equal(owners.has(TABLE), true);
  owners.release(TABLE, A);
  assert.equal(owners.has(TABLE), false);
  assert.equal(await owners.newOwner(TABLE, B), undefined);
});

Deno.test("TableOwners: a table with rows of another collection that exists is not given away", async () => {
  const { owners, exists } = ownersWith(A, B);
  await assert.rejects(owners.claim(TABLE, A, [B]), /Two collections would share .*order_lines/);
  assert.equal(owners.has(TABLE), false);
  exists.delete(B);
  await owners.claim(TABLE, A, [B]);
  assert.equal(await owners.newOwner(TABLE, B), A);
});

Deno.test("TableOwners: of two collections that claim a table at once, one gets it", async () => {
  const { owners } = ownersWith(A, B);
  const dropped = { database: "shop", collection: "order lines" };
  const claims = await Promise.allSettled([A, B].map((each) => owners.claim(TABLE, each, [dropped])));
  assert.deepEqual(claims.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});
