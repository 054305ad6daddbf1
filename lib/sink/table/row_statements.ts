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
  const conflict = `ON CONFLICT (${partType ? "oid, part" : "oid"}) DO UPDATE SET ${update}`;
  const firsts = types.map((type, index) => `($${index + 1}::${type})[1]`).join(", ");
  const ofKeys = `WHERE oid = ANY($1::${oids})`;
  return {
    upsert: `${into} (SELECT * FROM UNNEST(${arrays})) ${conflict}`,
    insertOne: `${into} VALUES (${firsts}) ${conflict}`,
    delete: `DELETE FROM ${target} ${ofKeys}`,
    deleteOne: `DELETE FROM ${target} WHERE oid = $1`,
    deleteAll: `DELETE FROM ${target}`,
    mark: `UPDATE ${target} SET cdc = ($2::${data})[1] ${ofKeys} AND ${IS_LIVE}`,
    markAll: `UPDATE ${target} SET cdc = ($1::${data})[1] WHERE ${IS_LIVE}`,
    partsOf: `SELECT oid, ${selectPart(partType ?? "text")} FROM ${target} ${ofKeys}`,
    /** Further condition of a statement; its list is the parameter of this number. */
    inParts: (number: number) => ` AND part = ANY($${number}::array(${partType}))`,
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
