/** Writes rows with their shadows, or without them. */
import type { Row } from "./row.ts";
import type { Writer } from "./writer.ts";

/** CrateDB refuses what no check foresees, e.g. a polygon that crosses itself: such a row is written without its shadows. */
export async function writeRows(writer: Pick<Writer, "upsert">, rows: readonly Row[]) {
  const refused = rows.length > 0 ? await writer.upsert(rows) : [];
  const oids = new Set(refused.map(({ oid }) => oid));
  const again = rows.filter(({ oid, shadows = {} }) => oids.has(oid) && Object.values(shadows).some(Boolean));
  if (again.length === 0) return { refused, unshadowed: 0 };
  const left = await writer.upsert(again.map(({ shadows: _, ...row }) => row));
  const bare = new Set(again.map(({ oid }) => oid));
  return {
    refused: [...refused.filter(({ oid }) => !bare.has(oid)), ...left],
    unshadowed: again.length - left.length,
  };
}
