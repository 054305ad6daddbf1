/** Removes the rows of a table: all after a drop, and partitions that are older than the settings keep them. */
import { quoteTable } from "../../sink/sql/names.ts";
import { type CdcDeps, cdcOfChanges } from "./cdc_of_changes.ts";
import type { CollectionSettings } from "../settings.ts";
import type { Partitioning } from "./row_changes.ts";
import type { Writer } from "../../sink/table/writer.ts";
import type { Logger } from "../../util/log.ts";

export interface RemoveDeps extends CdcDeps {
  readonly writer: Pick<Writer, "drop" | "markAll" | "truncate" | "deletePartsBefore">;
  readonly settings: Pick<CollectionSettings, "onDrop" | "deletes">;
  readonly partitioning?: Partitioning | undefined;
  readonly log: Logger;
}

/** Why a table is emptied and not dropped. */
const KEPT_TABLES = {
  needed: "A table is emptied and not dropped: other objects depend on it",
  "backup running": "A table is emptied, and dropped later: CrateDB takes a snapshot of it",
};

/** According to `--on-drop`. @returns whether the table is to be dropped later, because a backup of CrateDB keeps it */
export async function removeRows(deps: RemoveDeps): Promise<boolean> {
  const { settings: { onDrop }, writer, table, log } = deps;
  const why = onDrop === "drop" ? await writer.drop() : undefined;
  const cdc = cdcOfChanges(deps)({ document: null });
  if (cdc && onDrop !== "drop") await writer.markAll(cdc);
  else if (why !== undefined || onDrop !== "drop") await writer.truncate();
  if (why !== undefined) log.warn(KEPT_TABLES[why], { table: quoteTable(table) });
  return why === "backup running";
}

/** @returns a function that drops the partitions that have expired since its last call */
export function expiryOf({ partitioning, writer, table, log }: RemoveDeps): () => Promise<void> {
  let kept = -Infinity;
  return async () => {
    const firstKept = partitioning?.firstKept?.() ?? -Infinity;
    if (firstKept <= kept) return;
    const before = new Date(firstKept).toISOString();
    const hadAny = await writer.deletePartsBefore(firstKept);
    if (hadAny === undefined) return;
    if (hadAny) {
      log.info("Dropped partitions that have expired", { table: quoteTable(table), before });
    }
    kept = firstKept;
  };
}
