/** What changes write to the column `cdc`. */
import type { TargetTable } from "../../sink/table/target_table.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { DocumentOperation } from "../../source/stream/event.ts";
import type { Clock } from "../../util/clock.ts";
import { jsonBytes } from "../../util/json_writer.ts";
import type { CollectionSettings } from "../settings.ts";

/** Why documents are read that no event brings. */
export type Reading = "snapshot" | "repair";

export interface CdcDeps {
  readonly table: TargetTable;
  readonly settings: Pick<CollectionSettings, "deletes">;
  /** What it has read is not older than its time. */
  readonly causalReader: Pick<CausalReader, "time">;
  readonly clock: Pick<Clock, "now">;
}

/** The event that brings a document. */
export interface Origin {
  readonly operation?: DocumentOperation | undefined;
  /** Milliseconds since 1970; null if it is unknown. @default {that of the newest read} */
  readonly clusterTime?: number | null | undefined;
}

interface Change extends Origin {
  readonly document: Uint8Array | null;
  readonly refusal?: string | undefined;
}

/**
 * Makes the column of one batch, in which few texts differ: for a document what its row gets, for a deleted one the mark of
 * the row that stays. A mark has the time of its event, so that a repetition writes the same.
 *
 * @example OUT: {"op":"update","cluster_time":1793491200000,"written_at":1793491200250}
 * @returns undefined if the column does not change, or the row is deleted
 */
export function cdcOfChanges(
  { table, settings: { deletes }, causalReader: { time }, clock }: CdcDeps,
  reading: Reading = "repair",
) {
  const writtenAt = clock.now();
  const made = new Map<string, Uint8Array>();
  const of = (op: string, clusterTime: Origin["clusterTime"] = time && time.t * 1_000): Uint8Array => {
    const deletedAt = op === "delete" ? clusterTime ?? writtenAt : undefined;
    const times = { cluster_time: clusterTime, written_at: writtenAt, deleted_at: deletedAt };
    const json = JSON.stringify({ op, ...times });
    const bytes = made.get(json) ?? jsonBytes(json);
    made.set(json, bytes);
    return bytes;
  };
  return ({ document, refusal, operation, clusterTime }: Change): Uint8Array | undefined => {
    if (document === null) return deletes === "soft" && !refusal ? of("delete", clusterTime) : undefined;
    // A document that exists after a delete has moved to another shard.
    const op = operation === "delete" ? "update" : operation ?? reading;
    return table.cdc === "set" ? of(op, clusterTime) : undefined;
  };
}
