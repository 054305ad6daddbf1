/** What a fake of the collections needs if every table can be used at first. */
import type { Requeued } from "../../lib/pipeline/collections/collection_state.ts";
import { isUnusableTable } from "../../lib/sink/table/unusable_table.ts";
import { type Namespace, namespaceText } from "../../lib/util/namespace.ts";

export function usableTables() {
  const skipped: Requeued[] = [];
  const indexOf = (namespace: Namespace) =>
    skipped.findIndex((each) => namespaceText(each) === namespaceText(namespace));
  const isSkipped = (namespace: Namespace) => indexOf(namespace) >= 0;
  const skip = ({ database, collection, keepsStale }: Requeued) => {
    const entry = { database, collection, ...keepsStale && { keepsStale }, skipped: true };
    if (!isSkipped(entry)) skipped.push(entry);
  };
  return {
    skipped,
    isSkipped,
    skip,
    unskip: (namespace: Namespace) => void skipped.splice(indexOf(namespace), 1),
    attempt: async (namespace: Namespace, work: () => Promise<unknown>): Promise<boolean> => {
      if (isSkipped(namespace)) return false;
      try {
        await work();
        return true;
      } catch (error) {
        if (!isUnusableTable(error)) throw error;
        skip(namespace);
        return false;
      }
    },
    states: {
      move: () => {},
      count: () => {},
      beginCount: () => {},
      start: () => {},
      save: () => Promise.resolve(),
      get: (namespace: Namespace) => ({
        name: namespaceText(namespace),
        documents: 0,
        removeRows: (work: () => Promise<unknown>) => work(),
      }),
    },
    recordTables: () => Promise.resolve(),
    maintain: () => Promise.resolve([]),
  };
}
