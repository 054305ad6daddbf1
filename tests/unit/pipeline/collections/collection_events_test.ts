import assert from "node:assert/strict";
import {
  type CollectionEventDeps,
  handleCollectionEvent,
} from "../../../../lib/pipeline/collections/collection_events.ts";
import type { CollectionSettings } from "../../../../lib/pipeline/settings.ts";
import { ALL_DOCUMENTS } from "../../../../lib/source/documents/share.ts";
import { type Namespace, namespaceText } from "../../../../lib/util/namespace.ts";

const ORDERS = { database: "shop", collection: "orders" };
const LINES = { database: "shop", collection: "lines" };
const ORIGIN = { "shop.orders": "0a", "shop.lines": "0b" };

interface Given {
  readonly operation: string;
  readonly namespace?: Namespace;
  readonly to?: Namespace;
  /** Collections that MongoDB has. */
  readonly existing?: readonly Namespace[];
  /** Collections whose tables are open. */
  readonly open?: readonly Namespace[];
  /** What rows are named by. */
  readonly key?: CollectionSettings["key"];
}

/** What is done with tables and snapshot, the collections whose UUID is still known, and what is warned of. */
async function handled({ operation, namespace = ORDERS, to, existing = [], open = [], key = "_id" }: Given) {
  const done: string[] = [];
  const warned: string[] = [];
  let origin: string | null = JSON.stringify(ORIGIN);
  const note = (what: string) => (of: Namespace) => void done.push(`${what} ${namespaceText(of)}`);
  const deps = {
    tables: {
      of: note("open"),
      drop: note("drop"),
      openIn: () => open,
      reopen: note("reopen"),
    },
    snapshot: {
      requeue: note("requeue"),
      requeueAfterDrop: note("requeue after drop"),
      discard: () => {},
    },
    causalReader: {
      exists: (of: Namespace) => Promise.resolve(existing.map(namespaceText).includes(namespaceText(of))),
    },
    position: {
      get state() {
        return { origin };
      },
      save: (fields: { origin: string }) => void (origin = fields.origin),
    },
    share: ALL_DOCUMENTS,
    settings: { scope: { includes: () => true }, for: () => ({ onDrop: "drop", key }) },
    log: { info: () => {}, warn: (message: string) => void warned.push(message) },
  };
  await handleCollectionEvent(
    { operation, namespace, to, unfollowed: false, token: new Uint8Array() },
    deps as unknown as CollectionEventDeps,
  );
  return { done, known: Object.keys(JSON.parse(origin ?? "{}")), warned };
}

Deno.test("handleCollectionEvent() drops the rows of a dropped collection", async () =>
  assert.deepEqual(await handled({ operation: "drop" }), {
    done: ["drop shop.orders"],
    known: ["shop.lines"],
    warned: ["A collection was dropped"],
  }));

for (const operation of ["drop", "rename"]) {
  Deno.test(`handleCollectionEvent() reads a collection again that exists after ${operation}, and drops no row`, async () =>
    assert.deepEqual(await handled({ operation, existing: [ORDERS] }), {
      done: ["requeue after drop shop.orders"],
      known: ["shop.lines"],
      warned: ["A dropped collection exists: taking a new snapshot of it"],
    }));
}

Deno.test("handleCollectionEvent() of dropDatabase spares the collections that exist", async () => {
  const given = { operation: "dropDatabase", open: [ORDERS, LINES], existing: [LINES] };
  assert.deepEqual((await handled(given)).done, ["drop shop.orders", "requeue after drop shop.lines"]);
});

Deno.test("handleCollectionEvent() of rename reads the collection of the new name", async () =>
  assert.deepEqual((await handled({ operation: "rename", to: LINES })).done, [
    "drop shop.orders",
    "requeue shop.lines",
  ]));

for (const operation of ["reshardCollection", "unshardCollection", "moveCollection"]) {
  Deno.test(`handleCollectionEvent() of ${operation} forgets the collection's UUID`, async () =>
    assert.deepEqual(await handled({ operation }), { done: [], known: ["shop.lines"], warned: [] }));
}

for (const operation of ["movePrimary", "refineCollectionShardKey", "shardCollection", "createIndexes"]) {
  Deno.test(`handleCollectionEvent() has nothing to do for ${operation}`, async () =>
    assert.deepEqual(await handled({ operation }), { done: [], known: Object.keys(ORIGIN), warned: [] }));
}

Deno.test("handleCollectionEvent() warns of an unknown operation", async () =>
  assert.deepEqual((await handled({ operation: "foldCollection" })).warned, [
    "Skipping an unknown operation",
  ]));

for (
  const operation of [
    "shardCollection",
    "refineCollectionShardKey",
    "reshardCollection",
    "unshardCollection",
    "moveCollection",
  ]
) {
  Deno.test(`handleCollectionEvent() of ${operation} reads a collection again whose rows are named by document keys`, async () =>
    assert.deepEqual((await handled({ operation, key: "documentKey" })).done, [
      "reopen shop.orders",
      "requeue shop.orders",
    ]));
}
