/** CrateDB in memory: counts the rows that are written to its tables. */
import type { Emit } from "../../lib/pipeline/status/events.ts";
import type { DocumentChange } from "../../lib/source/stream/event.ts";
import type { Namespace } from "../../lib/util/namespace.ts";
import { ADD_COLUMN, type DatabaseInMemory } from "./database_in_memory.ts";
import { usableTables } from "./usable_tables.ts";

export function tablesInMemory(cratedb: DatabaseInMemory, emit: Emit) {
  const applierOf = (namespace: Namespace) => ({
    shardKey: [],
    async *deadKeys() {},
    learn: () => Promise.resolve(),
    apply: async (documents: readonly unknown[]) => {
      await cratedb.ask(ADD_COLUMN).catch(() => {});
      const rows = { upserts: documents.length, deletes: 0, overflowed: 0, deadLetters: 0 };
      await cratedb.ask("write", () => emit({ type: "tableWritten", namespace, ...rows }));
      return documents.length;
    },
    refresh: () => cratedb.ask("refresh"),
    remove: () => cratedb.ask("remove"),
    async *keys() {},
  });
  return {
    ...usableTables(),
    overlaps: () => Promise.resolve([]),
    openAll: async () => {
      await cratedb.ask("open");
      return [];
    },
    of: (namespace: Namespace) => Promise.resolve(applierOf(namespace)),
    forEachCollection: async (
      changes: readonly DocumentChange[],
      work: (group: object) => Promise<void>,
    ) => {
      for (const [, group] of Map.groupBy(changes, ({ namespace }) => namespace.collection)) {
        const [first] = group;
        if (first) {
          await work({ namespace: first.namespace, changes: group, applier: applierOf(first.namespace) });
        }
      }
    },
    refresh: () => cratedb.ask("refresh"),
    drop: () => cratedb.ask("drop"),
    reopen: () => Promise.resolve(),
    sharer: () => Promise.resolve(undefined),
    missing: () => Promise.resolve([]),
    hadTables: () => Promise.resolve(false),
    resumeDrops: () => Promise.resolve(),
    openIn: () => [],
    counts: { upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 },
  };
}
