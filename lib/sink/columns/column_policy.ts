/** Who creates the columns below `data` (`--columns`), and what happens to values that do not fit them. */
import {
  type Addition,
  additions,
  type Column,
  type ColumnPath,
  objectColumn,
} from "../../mapping/column_tree.ts";
import type { DesignedTypes } from "../../mapping/designed_types.ts";
import { inferColumns } from "../../mapping/field_counts.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import type { ColumnMode } from "../sql/dialect.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import type { OpenedTable } from "../table/target_table.ts";
import { UnusableTableError } from "../table/unusable_table.ts";
import type { RowKey } from "../table/row.ts";
import type { Writer } from "../table/writer.ts";
import type { Transports } from "./rebuild.ts";
import { TableSchema } from "./table_schema.ts";
import { Widening, type WideningOptions } from "./widening.ts";

export interface KeyedRow extends RowKey {
  readonly document: Uint8Array;
}

export interface ColumnPolicy {
  /** The columns below `data`, as of the last load. */
  readonly columns: Column;
  /** Increases each time the columns turn out to have changed. */
  readonly version: number;
  load(): Promise<void>;
  /** Creates the first columns of a table that has none, from documents of the collection. */
  learn(sample: () => Promise<readonly Uint8Array[]>): Promise<void>;
  /** Creates columns for values of these documents that have none. Callers keep others from writing to the table. */
  makeRoom(documents: readonly KeyedRow[]): Promise<void>;
  /** Widens columns that do not store their values. Callers keep others from writing to the table. */
  widen(paths: readonly ColumnPath[]): Promise<void>;
  /** Tries again to widen columns that had to wait for a backup of CrateDB. */
  retryPutOff(): Promise<void>;
  /** Cleans up after an interrupted rebuild. @returns whether something is left, or another relay is rebuilding the table */
  recover(): Promise<boolean>;
}

/** PostgreSQL's JSONB has no columns, and stores nearly every value unchanged. */
const JSONB_COLUMNS: ColumnPolicy = {
  columns: { kind: "jsonb" },
  version: 0,
  load: async () => {},
  learn: async () => {},
  makeRoom: async () => {},
  widen: async () => {},
  retryPutOff: async () => {},
  recover: () => Promise.resolve(false),
};

interface ColumnPolicyOptions extends Omit<WideningOptions, "tableSchema"> {
  readonly table: OpenedTable;
  readonly columns: ColumnMode;
  readonly writer: Pick<Writer, "upsert">;
  readonly types?: DesignedTypes | undefined;
  readonly onAdded: (columns: number) => void;
}

/** The policy of a table. @throws UnusableTableError if the table's columns do not fit the mode */
export async function openColumnPolicy(
  transports: Transports,
  options: ColumnPolicyOptions,
): Promise<ColumnPolicy> {
  const { patient } = transports;
  const { columns: mode, table, writer } = options;
  if (patient.dialect.isJsonb) return JSONB_COLUMNS;
  const isDynamic = mode === "dynamic";
  const needed = [
    "oid",
    "data",
    ...table.hasOverflow ? ["overflow"] : [],
    ...table.cdc ? ["cdc"] : [],
    ...Object.keys(table.shadows ?? {}),
  ];
  const partitions = table.partType ?? "none";
  const tableSchema = new TableSchema(patient, { ...options, inferred: isDynamic, needed, partitions });
  const widening = new Widening(transports, { ...options, tableSchema });
  await tableSchema.load(table.definition);
  checkMode(tableSchema, table, mode);
  return {
    get columns() {
      return tableSchema.columns;
    },
    get version() {
      return tableSchema.version;
    },
    load: () => tableSchema.load(),
    learn: async (sample) => {
      const { columns } = tableSchema;
      const isLearned = !columns.children ||
        additions(options.types?.data ?? objectColumn(), columns).length > 0;
      if (!isDynamic && !isLearned && !columns.closed) await addColumns(tableSchema, await sample());
    },
    makeRoom: (rows) =>
      isDynamic
        ? letCratedbInfer(rows, tableSchema, writer)
        : addColumns(tableSchema, rows.map(({ document }) => document)),
    widen: (paths) => widening.widen(paths),
    retryPutOff: () => widening.retryPutOff(),
    recover: () => widening.rebuilder.recover(),
  };
}

/** @throws UnusableTableError for a table whose columns do not fit the mode */
export function checkMode(
  { columns }: Pick<TableSchema, "columns">,
  table: TableName,
  mode: ColumnMode,
): void {
  if (mode !== "ignored" || columns.kind === "ignored") return;
  throw new UnusableTableError(
    `--columns ignored, but ${quoteTable(table)} has a \`data\` that is not a plain OBJECT(IGNORED)`,
    { hint: "Leave --columns out, or name a new table with --table." },
  );
}

async function addColumns(tableSchema: TableSchema, documents: readonly Uint8Array[]): Promise<void> {
  const wanted = inferColumns(documents);
  if (wanted) await tableSchema.add(wanted);
}

/** Writes documents with new paths one by one, so that CrateDB creates columns without conflicts; adds those it cannot. */
async function letCratedbInfer(
  rows: readonly KeyedRow[],
  tableSchema: TableSchema,
  writer: Pick<Writer, "upsert">,
): Promise<void> {
  /** Bisects a refused document down to the paths at fault. Resolves to whether the table has room for further columns. */
  const inferFrom = async (
    { document, ...key }: KeyedRow,
    missing: readonly Addition[],
  ): Promise<boolean> => {
    const assumed = missing.map(({ path, column }) => ({ path, column: inferred(column) }));
    const { data, overflow } = splitDocument(document, tableSchema.assuming(assumed));
    const [refused] = await writer.upsert([{ ...key, data, overflow }]);
    if (!refused) return true;
    if (refused.kind === "too many columns") return false;
    if (missing.length === 1) return true;
    const middle = missing.length >> 1;
    const row = { ...key, document };
    return await inferFrom(row, missing.slice(0, middle)) && await inferFrom(row, missing.slice(middle));
  };
  for (const row of rows) {
    const wanted = inferColumns([row.document]);
    if (!wanted) continue;
    const missing = tableSchema.missing(wanted);
    if (missing.length > 0) {
      await inferFrom(row, missing);
      await tableSchema.load();
    }
    await tableSchema.add(wanted);
  }
}

/** The column that CrateDB would create from any values in the place of the scalars. It creates no maps. */
function inferred({ element, children, kind }: Column): Column {
  if (element) return { kind, element: inferred(element) };
  if (!children) return { kind: kind === "ignored" ? "unfit" : "any" };
  return { kind, children: new Map([...children].map(([name, child]) => [name, inferred(child)])) };
}
