/** Opens the table that documents are written to. */
import { SHADOWS } from "../../mapping/designed_types.ts";
import { type PartType, partTypeOf } from "../../mapping/partition.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { hasCdc } from "./cdc_column.ts";
import { createTable, tableExists } from "./create_table.ts";
import { type DefinedColumn, definedColumns, readDefinition } from "./show_create_table.ts";
import { addMissing, asDesigned, checkDesign, misfitsOf, missingColumns } from "./designed_columns.ts";
import { partitionsIn, shadowsOf, tableDefinition, type TableDesign } from "./table_design.ts";
import { columnFaults, type TableFault, unusableTable, UnusableTableError } from "./unusable_table.ts";

export interface TargetTable extends TableName {
  /** Whether the table has a usable column `overflow`. */
  readonly hasOverflow: boolean;
  /** The type of the column `part` in statements; undefined for a table without partitions. */
  readonly partType?: PartType | undefined;
  /** Whether an upsert sets or clears the column `cdc`; undefined for a table without. */
  readonly cdc?: "set" | "clear" | undefined;
  /** The columns beside `data` for what its values round to. @default {none} */
  readonly shadows?: ReturnType<typeof shadowsOf> | undefined;
}

export interface OpenedTable extends TargetTable {
  readonly isNew: boolean;
  /** Whether rows lack shadows, because a column for them was added just now. */
  readonly lacksShadows?: boolean;
  /** As it was when the table was opened. */
  readonly definition: string;
}

export interface OpenTableOptions extends TableDesign {
  readonly table: TableName;
  /** Finds the number of shards of a new table for which none is given. @default {the server's} */
  readonly shardsIfNew?: () => Promise<number | undefined>;
  /** Called before the table is created. @default {nothing} */
  readonly onMissing?: () => Promise<void>;
}

export async function isEmptyTable(transport: Transport, table: TableName): Promise<boolean> {
  if (!await tableExists(transport, table)) return false;
  await refreshTable(transport, table);
  return (await transport.query(`SELECT 1 FROM ${quoteTable(table)} LIMIT 1`)).rows.length === 0;
}

/** Creates the table if it does not exist. @throws UnusableTableError for an existing table that does not fit */
export async function openTable(transport: Transport, options: OpenTableOptions): Promise<OpenedTable> {
  const { table, onMissing } = options;
  const existing = await usableTable(transport, table, options);
  if (!existing) {
    const shards = options.shards ?? await options.shardsIfNew?.();
    const definition = tableDefinition(transport.dialect, { ...options, shards });
    await onMissing?.();
    await asDesigned(table, options, () => createTable(transport, table, definition));
  }
  const found = existing ??
    opened(table, options, transport, await readDefinition(transport, table), { isNew: true });
  const missing = missingColumns(table, found.definition, options);
  if (missing.length === 0) return found;
  await asDesigned(table, options, () => addMissing(transport, table, missing));
  const changed = await existingTable(transport, table, options) ?? found;
  // Another process may have added others.
  missingColumns(table, changed.definition, options);
  const lacksShadows = existing !== undefined &&
    missing.some((clause) => SHADOWS.some((name) => clause.startsWith(`ADD COLUMN ${name}`)));
  return { ...changed, isNew: !existing, lacksShadows };
}

/** The table, which a relay can use; undefined for one that it can create. Changes nothing. @throws UnusableTableError */
export async function usableTable(
  transport: Transport,
  table: TableName,
  design: TableDesign,
): Promise<OpenedTable | undefined> {
  const existing = await existingTable(transport, table, design);
  if (existing) missingColumns(table, existing.definition, design);
  await checkDesign(transport, table, design);
  return existing;
}

interface ShapeOf extends Pick<OpenTableOptions, "partitionBy" | "metadata" | "types" | "fulltext"> {
  /** Whether the partitions may be any, in place of those asked for. @default {false} */
  readonly hasAnyParts?: boolean;
}

/** A table that exists; undefined for none. Changes nothing. @throws UnusableTableError if it does not fit */
export async function existingTable(
  transport: Transport,
  table: TableName,
  design: ShapeOf = {},
): Promise<OpenedTable | undefined> {
  const definition = await readDefinition(transport, table);
  return definition === undefined
    ? undefined
    : opened(table, design, transport, definition, { isNew: false });
}

function opened(
  table: TableName,
  { partitionBy, metadata, types, fulltext, hasAnyParts = false }: ShapeOf,
  { dialect }: Transport,
  definition = "",
  { isNew }: Pick<OpenedTable, "isNew">,
): OpenedTable {
  const [, kind] = /^CREATE (VIEW|FOREIGN)/.exec(definition) ?? [];
  if (kind) throw otherKind(table, kind.toLowerCase());
  const columns = definedColumns(definition);
  const typeOf = (wanted: string) => typeIn(columns, wanted);
  const wanted = hasAnyParts && partitionsOf(definition, columns) ||
    (partitionBy ? partTypeOf(partitionBy) : "none");
  const faults = [
    ...keyFaults(definition, columns, wanted),
    typeOf("data") === dialect.dataType
      ? []
      : { what: `it has no \`data\` column of type ${dialect.dataType}` },
    typeOf("oid") === "TEXT" ? [] : { what: "it has no `oid` column of type TEXT" },
    ...dialect.isJsonb ? [] : [
      columnFaults(columns),
      misfitsOf(definition, { types, fulltext }).map((what) => ({ what, isDesign: true })),
    ],
  ].flat();
  if (faults.length > 0) throw unusableTable(table, faults);
  const hasOverflow = typeOf("overflow") === dialect.overflowType;
  const partType = wanted === "none" ? undefined : wanted;
  const cdc = hasCdc(columns) ? metadata === "on" ? "set" : "clear" : undefined;
  const own = {
    ...partType && { partType },
    ...cdc && { cdc } as const,
    ...types && { shadows: shadowsOf(types) },
  };
  return Object.freeze({ ...table, hasOverflow, ...own, isNew, definition });
}

/** The first word of the type of a column that is below no other. */
const typeIn = (columns: readonly DefinedColumn[], wanted: string): string | undefined =>
  /^\w+/.exec(
    columns.find(({ path: [name, ...below] }) => name === wanted && below.length === 0)?.type ?? "",
  )?.[0];

const partitionsOf = (definition: string, columns: readonly DefinedColumn[]) =>
  partitionsIn(definition, typeIn(columns, "part"));

/** Faults of the key, if the statements of a relay expect these partitions. */
export function keyFaults(
  definition: string,
  columns: readonly DefinedColumn[],
  wanted: PartType | "none",
): readonly TableFault[] {
  const partitions = partitionsOf(definition, columns);
  return partitions === wanted ? [] : [{ what: KEY_FAULTS[wanted], isDesign: partitions !== undefined }];
}

const KEY_FAULTS: Readonly<Record<PartType | "none", string>> = {
  none: "`oid` is not its primary key",
  bigint: "it is not partitioned by a TIMESTAMP `part`, with `oid` and `part` as its primary key",
  text: "it is not partitioned by a TEXT `part`, with `oid` and `part` as its primary key",
};

const otherKind = (table: TableName, kind: string): UnusableTableError =>
  new UnusableTableError(
    `Table ${quoteTable(table)} cannot be used: it is a ${kind === "view" ? kind : `${kind} table`}.`,
    { hint: `Name another table with --table, or rename or drop the ${kind}.` },
  );
