/** The statements that write rows of a table. Pure. */
import type { Parameter } from "../connection/transport.ts";
import type { Dialect } from "../sql/dialect.ts";
import { quoteTable } from "../sql/names.ts";
import { IS_LIVE } from "./cdc_column.ts";
import { selectPart } from "./row_reader.ts";
import type { TargetTable } from "./target_table.ts";
import type { Row } from "./row.ts";

/** The first parameter of those that delete, mark or select rows is a list of keys. */
export function rowStatements({ lists: [oids, data, overflow] }: Dialect, table: TargetTable) {
  const target = quoteTable(table);
  const { partType, hasOverflow, cdc } = table;
  const values = { data, ...hasOverflow && { overflow }, ...cdc === "set" && { cdc: data } };
  const columns = { oid: oids, ...values, ...partType && { part: `array(${partType})` } };
  const types = Object.values(columns);
  const arrays = types.map((type, index) => `$${index + 1}::${type}`).join(", ");
  const changes = Object.keys(values).map((name) => `${name} = excluded.${name}`);
  const update = [...changes, ...cdc === "clear" ? ["cdc = NULL"] : []].join(", ");
  const into = `INSERT INTO ${target} (${Object.keys(columns).join(", ")})`;
  const key = partType ? "oid, part" : "oid";
  const conflict = `ON CONFLICT (${key}) DO UPDATE SET ${update}`;
  const firsts = types.map((type, index) => `($${index + 1}::${type})[1]`).join(", ");
  const ofKeys = `WHERE oid = ANY($1::${oids})`;
  // An UPDATE would pass over rows with NaN or an infinity in CrateDB 5. So rows are written again with their values.
  const marked = ["oid", "data", ...hasOverflow ? ["overflow"] : [], ...partType ? ["part"] : []].join(", ");
  const kept = ["data", ...hasOverflow ? ["overflow"] : [], "cdc"].map((name) =>
    `${name} = excluded.${name}`
  );
  const mark = (mark: number, condition: string) =>
    `INSERT INTO ${target} (${marked}, cdc) (SELECT ${marked}, ($${mark}::${data})[1] FROM ${target} ` +
    `WHERE ${IS_LIVE}${condition}) ON CONFLICT (${key}) DO UPDATE SET ${kept.join(", ")}`;
  const inParts = (number: number) => number > 0 ? ` AND part = ANY($${number}::array(${partType}))` : "";
  return {
    upsert: `${into} (SELECT * FROM UNNEST(${arrays})) ${conflict}`,
    insertOne: `${into} VALUES (${firsts}) ${conflict}`,
    /** The list of partitions is the parameter of this number; 0 for none. */
    delete: (parts = 0) => `DELETE FROM ${target} ${ofKeys}${inParts(parts)}`,
    mark: (parts = 0) => mark(2, ` AND oid = ANY($1::${oids})${inParts(parts)}`),
    deleteOne: `DELETE FROM ${target} WHERE oid = $1`,
    deleteAll: `DELETE FROM ${target}`,
    markAll: mark(1, ""),
    deleteLive: `DELETE FROM ${target} WHERE ${IS_LIVE}`,
    liveOf: `SELECT oid FROM ${target} ${ofKeys} AND ${IS_LIVE}`,
    partsOf: `SELECT oid, ${selectPart(partType ?? "text")} FROM ${target} ${ofKeys}`,
    /** The parameters of those that insert. */
    parameters: (rows: readonly Row[]): Parameter[] => [
      rows.map(({ oid }) => oid),
      { json: rows.map(({ data }) => data) },
      ...hasOverflow ? [{ json: rows.map(({ overflow }) => overflow) }] : [],
      ...cdc === "set" ? [{ json: rows.map(({ cdc = null }) => cdc) }] : [],
      ...partType ? [rows.map(({ part = "" }) => part)] : [],
    ],
  };
}
