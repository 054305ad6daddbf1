/** In which partition of a table the row of each document is, and should be. */
import { fieldsByName } from "../../lib/bson/bson.ts";
import { keyText } from "../../lib/key/key_text.ts";
import { parsePartitionBy, partOf, unfitPart } from "../../lib/mapping/partition.ts";
import { quoteTable } from "../../lib/sink/sql/names.ts";
import assert from "node:assert/strict";
import type { CratedbContext } from "./cratedb_harness.ts";

/** The key and the partition of each row, so that one in two partitions is there twice. */
export async function placesInTable(
  { sql, schema, table }: CratedbContext,
  { part = "part::bigint", where = "TRUE" } = {},
): Promise<string[]> {
  const name = quoteTable({ schema, name: table });
  await sql(`REFRESH TABLE ${name}`);
  const rows = await sql(`SELECT oid, ${part} AS part FROM ${name} WHERE ${where}`);
  return rows.map(({ oid, part }) => `${oid} in ${part}`).sort();
}

/** @param setting that of `--partition-by` */
export async function placesOfDocuments(
  { mongodb, database }: CratedbContext,
  setting: string,
  collections: readonly string[] = ["data"],
): Promise<string[]> {
  const by = parsePartitionBy(setting);
  const places: string[] = [];
  for (const collection of collections) {
    for await (const raw of mongodb.db(database).collection(collection).find({}, { raw: true })) {
      const bytes = raw as unknown as Uint8Array;
      const id = fieldsByName(bytes).get("_id");
      assert.ok(id);
      places.push(`${keyText(id)} in ${partOf(bytes, by) ?? unfitPart(by)}`);
    }
  }
  return places.sort();
}
