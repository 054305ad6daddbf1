/** The result of a collection in the form of `--json` and of the table `cdc_verify`: one name for one thing. */
import type { VerifyRow } from "../sink/metadata/verify_results.ts";
import { clusterTimeFields } from "../source/connection/cluster_time.ts";
import type { CollectionResult } from "./result.ts";

/**
 * Times are in ISO 8601.
 *
 * @example
 * IN: {collection: "shop.orders", deadLetters: 2, startedAt: 0, finishedAt: 250, clusterTime: Timestamp {t: 1732665552, i: 3}, …}
 * OUT: {collection: "shop.orders", dead_letters: 2, started_at: "1970-01-01T00:00:00.000Z", …, duration_ms: 250,
 * cluster_time: "2024-11-26T23:59:12.000Z", operation_time: "1732665552:3"}
 */
export function resultFields(result: CollectionResult) {
  const {
    startedAt,
    finishedAt,
    clusterTime,
    deadLetters,
    stream,
    collection,
    table,
    mode,
    outcome,
    ...rest
  } = result;
  const { documents, rows, missing, extra, different, overflowed, changing, repaired, relay, differences } =
    rest;
  return {
    stream,
    collection,
    table,
    mode,
    outcome,
    started_at: new Date(startedAt).toISOString(),
    finished_at: new Date(finishedAt).toISOString(),
    duration_ms: finishedAt - startedAt,
    ...clusterTimeFields(clusterTime),
    documents,
    rows,
    missing,
    extra,
    different,
    overflowed,
    dead_letters: deadLetters,
    changing,
    repaired,
    relay: relay ?? null,
    differences,
  };
}

/** The row of `cdc_verify`. */
export function verifyRow(result: CollectionResult): VerifyRow {
  const fields = resultFields(result);
  return { ...fields, differences: JSON.stringify(fields.differences) };
}
