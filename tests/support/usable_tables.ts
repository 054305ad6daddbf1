/** What a fake of the table registry needs when every table can be used at first. */
import type { Namespace } from "../../lib/util/namespace.ts";
import { LeftOut } from "../../lib/pipeline/collections/left_out.ts";
import { isUnusableTable } from "../../lib/sink/table/unusable_table.ts";
import { SYSTEM_CLOCK } from "../../lib/util/clock.ts";
import { QUIET } from "../../lib/util/log.ts";

export function usableTables() {
  const leftOut = new LeftOut({ log: QUIET, clock: SYSTEM_CLOCK, emit: () => {} });
  return {
    leftOut,
    attempt: async (namespace: Namespace, work: () => Promise<unknown>): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch (error) {
        if (!isUnusableTable(error)) throw error;
        leftOut.add(namespace, error);
        return false;
      }
    },
    retryLeftOut: () => Promise.resolve([]),
  };
}
