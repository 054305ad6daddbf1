import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { fieldsByName } from "../../../../lib/bson/bson.ts";
import { Snapshot, type SnapshotDeps } from "../../../../lib/pipeline/snapshot/snapshot.ts";
import { fullSnapshot, planSnapshot } from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { WHOLE } from "../../../../lib/source/documents/key_ranges.ts";
import type { TableApplier } from "../../../../lib/pipeline/collections/table_applier.ts";
import { SYSTEM_CLOCK } from "../../../../lib/util/clock.ts";
import { type Logger, QUIET } from "../../../../lib/util/log.ts";
import { usableTables } from "../../../support/usable_tables.ts";

const ORDERS = { database: "shop", collection: "orders" };

function keyed(_id: number) {
  const document = BSON.serialize({ _id });
  const id = fieldsByName(document).get("_id");
  assert.ok(id);
  return { id, document };
}

/** Reads chunks of documents with these keys. @returns what was warned of */
async function read(chunks: readonly (readonly number[])[]): Promise<readonly unknown[]> {
  const told: unknown[] = [];
  const log: Logger = { ...QUIET, warn: (_message, fields) => void told.push(fields) };
  let at = 0;
  const applier: Pick<TableApplier, "apply"> = {
    apply: (changes) => Promise.resolve(new Set(changes.map(({ id }) => id.bytes[id.offset])).size),
  };
  const deps = {
    chunks: {
      chunk: () => {
        const documents = (chunks[at] ?? []).map(keyed);
        return Promise.resolve({
          documents,
          last: null,
          seen: documents.length,
          done: ++at >= chunks.length,
        });
      },
    },
    splitter: { split: () => Promise.resolve([WHOLE]) },
    settings: { for: () => ({ onDrop: "truncate" }), snapshotLanes: 1, snapshotRate: 0 },
    tables: { ...usableTables(), of: () => Promise.resolve(applier) },
    signal: new AbortController().signal,
    log,
    clock: SYSTEM_CLOCK,
    emit: () => {},
    filtered: { left: [], limit: () => {} },
    isDue: true,
    total: 0,
    countOf: () => Promise.resolve(0),
    lagSeconds: () => 0,
    onChunkApplied: () => Promise.resolve(),
  };
  const plan = planSnapshot(fullSnapshot({ removesStale: false }), [ORDERS]);
  await new Snapshot(plan, deps as unknown as SnapshotDeps).runSlice();
  return told;
}

Deno.test("Snapshot warns once of documents that share a row", async () => {
  assert.deepEqual(await read([[1, 2, 2], [3, 3], [4]]), [{ collection: "shop.orders" }]);
});

Deno.test("Snapshot does not warn if each key exists once", async () => {
  assert.deepEqual(await read([[1, 2], [3]]), []);
});
