/** The redefinition of a table by the design in its settings. Its rows are split again; MongoDB is not read. */
import { BsonType, documentValue } from "../../bson/bson.ts";
import { rowKeyOf } from "../../key/document_key.ts";
import { type Column, columnAt, innermost, pathsWhere } from "../../mapping/column_tree.ts";
import {
  isExpired,
  isFixed,
  type Part,
  type PartitionBy,
  partOf,
  partOfId,
  unfitPart,
  valueAt,
} from "../../mapping/partition.ts";
import { shadowOf } from "../../mapping/shadows.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import { storedDocument, takesNumeric } from "../../mapping/stored_document.ts";
import { jsonBytes } from "../../util/json_writer.ts";
import { CRATEDB } from "../sql/dialect.ts";
import { columnName, quoteName, quoteTable, type TableName } from "../sql/names.ts";
import { IS_LIVE, needsCdc } from "../table/cdc_column.ts";
import { columnTree, typeName, typeText } from "../table/column_definition.ts";
import { type DefinedColumn, definedColumns } from "../table/show_create_table.ts";
import { settingsIn, shadowsOf, shardsIn, tableDefinition, type TableDesign } from "../table/table_design.ts";
import type { TargetTable } from "../table/target_table.ts";
import { UnusableTableError } from "../table/unusable_table.ts";
import type { Redefinition } from "./rebuild_steps.ts";

export interface Redesign {
  readonly design: TableDesign;
  /** The first partition that is kept: rows in older ones are left out. */
  readonly firstKept: number;
  readonly onDone: Redefinition["onDone"];
}

const OWN_COLUMNS: readonly string[] = ["oid", "data", "overflow", "part"];

/**
 * Columns that the design does not name stay as they are, as do the table's own settings.
 *
 * @param definition of the table, as `SHOW CREATE TABLE` prints it
 * @throws UnusableTableError if columns of others, or amounts, would be lost
 */
export function redesigned(
  table: TargetTable,
  definition: string,
  { design, firstKept, onDone }: Redesign,
): Redefinition {
  const defined = definedColumns(definition);
  const isOwn = ({ path: [top = ""], type }: DefinedColumn) =>
    OWN_COLUMNS.includes(top) || top === "cdc" && table.cdc !== undefined ||
    (top === "geo" || top === "vector") && type.startsWith("OBJECT(STRICT)");
  const others = defined.filter((column) => column.path.length === 1 && !isOwn(column));
  if (others.length > 0) {
    const names = others.map(({ path }) => columnName(path)).join(", ");
    throw new UnusableTableError(`Table ${quoteTable(table)} has columns of its own: ${names}`, {
      hint: "A rebuild would lose them. Drop them first, and create them again afterwards.",
    });
  }
  const existing = columnTree(defined);
  const data = dataText(table, defined, existing, design);
  const { partitionBy } = design;
  const shadows = Object.entries(shadowsOf(design.types));
  return {
    design,
    create: (copy) => {
      const { number_of_replicas, ...kept } = settingsIn(definition);
      const replicas = design.replicas ?? number_of_replicas;
      const all = {
        ...design,
        shards: design.shards ?? shardsIn(definition),
        with: { ...kept, ...replicas !== undefined && { number_of_replicas: replicas }, ...design.with },
      };
      return `CREATE TABLE ${quoteTable(copy)} ${tableDefinition(CRATEDB, all, data)}`;
    },
    // Without `cdc`, a marked row would be one of a document.
    rows: table.cdc && !needsCdc(design) ? IS_LIVE : "TRUE",
    changed: (row, columns) => {
      const { oid, cdc } = row;
      const document = storedDocument(row, existing);
      const part = partitionBy && partOfRow(oid, document, partitionBy);
      if (isExpired(part, firstKept)) return undefined;
      const { data, overflow } = splitDocument(document, columns);
      return {
        oid,
        data,
        overflow,
        part,
        ...cdc !== null && { cdc: jsonBytes(cdc) },
        shadows: Object.fromEntries(shadows.map(([name, each]) => [name, shadowOf(document, each).json])),
      };
    },
    onDone,
  };
}

/** The type of `data` with the designed columns; undefined if it becomes another kind of object. */
function dataText(
  table: TableName,
  defined: readonly DefinedColumn[],
  existing: Column,
  { columns, types = {} }: TableDesign,
): string | undefined {
  const isIgnored = columns === "ignored";
  if (isIgnored !== (existing.kind === "ignored")) {
    if (isIgnored) checkAmounts(table, ["data"], existing, { kind: "ignored" });
    return undefined;
  }
  const typeOf = new Map(defined.map(({ path, type }) => [columnName(path), type]));
  const text = (path: readonly string[], wanted: Column | undefined, indent: string): string => {
    const known = columnAt(existing, path.slice(1));
    const own = typeOf.get(columnName(path));
    if (own === undefined || !known || wanted && typeName(known) !== typeName(wanted)) {
      if (known && wanted) checkAmounts(table, path, known, wanted);
      return wanted ? typeText(wanted, { indent }) : "";
    }
    const [, head, arrays = ""] = /^(((?:ARRAY\()*)OBJECT\(\w+\))/.exec(own) ?? [];
    if (head === undefined) return own;
    const designed = (wanted && innermost(wanted).children) ?? new Map<string, Column>();
    const names = new Set([...innermost(known).children?.keys() ?? [], ...designed.keys()]);
    const below = `${indent}   `;
    const lines = [...names].map((name) =>
      `\n${below}${quoteName(name)} ${text([...path, name], designed.get(name), below)}`
    );
    const inside = lines.length > 0 ? ` AS (${lines.join(",")}\n${indent})` : "";
    return head + inside + ")".repeat(arrays.length / "ARRAY(".length);
  };
  return text(["data"], types.data, "   ");
}

/** @throws UnusableTableError if a NUMERIC would no longer be one: the text of a Decimal128 is unknown */
function checkAmounts(table: TableName, path: readonly string[], known: Column, wanted: Column): void {
  const [amount] = pathsWhere(known, ({ numeric }) => numeric !== undefined);
  if (!amount || amount.length === 0 && takesNumeric(wanted, known)) return;
  throw new UnusableTableError(
    `${columnName([...path, ...amount])} of ${quoteTable(table)} is ${typeName(known)}, and cannot become ${
      typeName(wanted)
    }`,
    {
      hint:
        "Only its documents have its values as texts. Remove the type, or take a new snapshot into another table.",
    },
  );
}

/** The partition of a row. An ObjectId or a timestamp of MongoDB in another field is no time in a row. */
function partOfRow(oid: string, document: Uint8Array, by: PartitionBy): Part {
  if (!isFixed(by)) return partOf(document, by) ?? unfitPart(by);
  // The key of a sharded collection has the `_id` beside other fields.
  const isPart = oid.startsWith("{") && valueAt(documentValue(document), ["_id"])?.type !== BsonType.document;
  const { id } = rowKeyOf(oid, isPart ? by.path : []);
  return (id ? partOfId(id, by) : partOf(document, by)) ?? unfitPart(by);
}
