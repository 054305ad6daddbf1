import assert from "node:assert/strict";
import { prepare, type PrepareDeps } from "../../../../lib/pipeline/loop/prepare.ts";
import { parseSnapshotState } from "../../../../lib/pipeline/snapshot/saved_snapshot.ts";
import { planSnapshot, requeue, stateOf } from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { usableTables } from "../../../support/usable_tables.ts";

const A = { database: "shop", collection: "a" };

Deno.test("prepare() saves that a skipped collection keeps the rows of a dropped one", async () => {
  const client = {
    db: () => ({
      listCollections: () => ({ toArray: () => Promise.resolve([{ name: A.collection }]) }),
      command: () => Promise.resolve({}),
    }),
  };
  const tables = usableTables();
  const saved: { snapshot?: string | null }[] = [];
  const deps = {
    causalReader: {
      read: (work: (client: unknown, options: object) => unknown) => Promise.resolve(work(client, {})),
    },
    tables: {
      ...tables,
      missing: () => Promise.resolve([]),
      overlaps: () => Promise.resolve([]),
      openAll: () => {
        tables.skip(A);
        return Promise.resolve([]);
      },
    },
    position: {
      state: { token: "token", origin: null },
      save: (values: { snapshot?: string | null }) => Promise.resolve(void saved.push(values)),
    },
    settings: {
      scope: new Scope({ databases: ["shop"], collections: ["*"], exclude: [] }),
      transform: [],
      onDrop: "keep",
    },
    log: QUIET,
  };
  const before = stateOf(requeue(planSnapshot(undefined, []), A, { keepsGone: true }));
  await prepare(before, deps as unknown as PrepareDeps);
  const [{ snapshot = null } = {}] = saved;
  assert.ok(snapshot);
  assert.deepEqual(parseSnapshotState(snapshot).requeued, [{ ...A, keepsGone: true, skipped: true }]);
});
