/** The statements that write rows of a table. Pure. */
import type { Shadow } from "../../mapping/designed_types.ts";
import type { Parameter } from "../connection/transport.ts";
import type { Dialect } from "../sql/dialect.ts";
import { quoteTable } from "../sql/names.ts";
import { IS_LIVE } from "./cdc_column.ts";
import { selectPart } from "./row_reader.ts";
import type { TargetTable } from "./target_table.ts";
import type { Row } from "./row.ts";

/** What an upsert does to the column `cdc`. */
const CHANGES = { set: ["cdc = excluded.cdc"], clear: ["cdc = NULL"], none: [] };

/** The first parameter of those that delete, mark or select rows is a list of keys. */
export function rowStatements({ lists: [oids, data, overflow] }: Dialect, table: TargetTable) {
  const target = quoteTable(table);
  const { partType, hasOverflow, cdc } = table;
  const shadows = Object.keys(table.shadows ?? {}) as Shadow[];
  const beside = Object.fromEntries(shadows.map((name) => [name, data]));
  const stored = { data, ...hasOverflow && { overflow }, ...beside };
  const part = partType && { part: `array(${partType})` };
  const columns = { oid: oids, ...stored, ...cdc === "set" && { cdc: data }, ...part };
  const types = Object.values(columns);
  const arrays = types.map((type, index) => `$${index + 1}::${type}`).join(", ");
  const firsts = types.map((type, index) => `($${index + 1}::${type})[1]`).join(", ");
  const into = `INSERT INTO ${target} (${Object.keys(columns).join(", ")})`;
  const conflict = (changed: keyof typeof CHANGES) => {
    const kept = Object.keys(stored).map((name) => `${name} = excluded.${name}`);
    const sets = [...kept, ...CHANGES[changed]].join(", ");
    return `ON CONFLICT (oid${part ? ", part" : ""}) DO UPDATE SET ${sets}`;
  };
  const upsert = conflict(cdc ?? "none");
  const ofKeys = `WHERE oid = ANY($1::${oids})`;
  const inParts = (number: number) => number > 0 ? ` AND part = ANY($${number}::array(${partType}))` : "";
  const own = Object.keys({ oid: oids, ...stored, ...part }).join(", ");
  // An UPDATE would pass over rows with NaN or an infinity in CrateDB 5. So rows are written again with their values.
  const mark = (number: number, where: string) =>
    `INSERT INTO ${target} (${own}, cdc) (SELECT ${own}, ($${number}::${data})[1] FROM ${target} ${where}) ` +
    conflict("set");
  return {
    upsert: `${into} (SELECT * FROM UNNEST(${arrays})) ${upsert}`,
    insertOne: `${into} VALUES (${firsts}) ${upsert}`,
    /** The list of partitions is the parameter of this number; 0 for none. */
    delete: (parts = 0) => `DELETE FROM ${target} ${ofKeys}${inParts(parts)}`,
    mark: (parts = 0) => mark(2, `${ofKeys}${inParts(parts)} AND ${IS_LIVE}`),
    deleteOne: `DELETE FROM ${target} WHERE oid = $1`,
    deleteAll: `DELETE FROM ${target}`,
    markAll: mark(1, `WHERE ${IS_LIVE}`),
    deleteLive: `DELETE FROM ${target} WHERE ${IS_LIVE}`,
    liveOf: `SELECT oid FROM ${target} ${ofKeys} AND ${IS_LIVE}`,
    partsOf: `SELECT oid, ${selectPart(partType ?? "text")} FROM ${target} ${ofKeys}`,
    /** The parameters of those that insert. */
    parameters: (rows: readonly Row[]): Parameter[] => [
      rows.map(({ oid }) => oid),
      { json: rows.map(({ data }) => data) },
      ...hasOverflow ? [{ json: rows.map(({ overflow }) => overflow) }] : [],
      ...shadows.map((name) => ({ json: rows.map(({ shadows }) => shadows?.[name] ?? null) })),
      ...cdc === "set" ? [{ json: rows.map(({ cdc = null }) => cdc) }] : [],
      ...partType ? [rows.map(({ part = "" }) => part)] : [],
    ],
  };
}
