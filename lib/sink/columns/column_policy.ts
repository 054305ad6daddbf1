/** Who creates the columns below `data` (`--columns`), and what happens to values that do not fit them. */
import {
  type Addition,
  additions,
  type Column,
  type ColumnPath,
  inferColumnsOfAll,
  inferDocumentColumns,
  objectColumn,
} from "../../mapping/column_tree.ts";
import type { DesignedTypes } from "../../mapping/designed_types.ts";
import { columnOfMost, countFields } from "../../mapping/field_counts.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import type { ColumnMode } from "../sql/dialect.ts";
import { quoteTable } from "../sql/names.ts";
import type { OpenedTable } from "../table/target_table.ts";
import { UnusableTableError } from "../table/unusable_table.ts";
import type { Writer } from "../table/writer.ts";
import type { Transports } from "./rebuild.ts";
import { TableSchema } from "./table_schema.ts";
import { Widening, type WideningOptions } from "./widening.ts";

export interface KeyedRow {
  readonly oid: string;
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
export function openColumnPolicy(transports: Transports, options: ColumnPolicyOptions): ColumnPolicy {
  const { patient } = transports;
  const { columns: mode, table, writer } = options;
  if (patient.dialect.isJsonb) return JSONB_COLUMNS;
  const isDynamic = mode === "dynamic";
  const needed = [
    "oid",
    "data",
    ...table.hasOverflow ? ["overflow"] : [],
    ...Object.keys(table.shadows ?? {}),
  ];
  const tableSchema = new TableSchema(patient, { ...options, inferred: isDynamic, needed });
  const widening = new Widening(transports, { ...options, tableSchema });
  tableSchema.use(table.definition);
  if (mode === "ignored" && tableSchema.columns.kind !== "ignored") {
    throw new UnusableTableError(
      `--columns ignored, but ${quoteTable(table)} has a \`data\` that is not a plain OBJECT(IGNORED)`,
      { hint: "Leave --columns out, or name a new table with --table." },
    );
  }
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
      if (isDynamic || isLearned || columns.closed) return;
      const wanted = columnOfMost(countFields(await sample()));
      if (wanted) await tableSchema.add(wanted);
    },
    makeRoom: (rows) =>
      isDynamic
        ? inferColumns(rows, tableSchema, writer)
        : addColumns(tableSchema, rows.map(({ document }) => document)),
    widen: (paths) => widening.widen(paths),
    retryPutOff: () => widening.retryPutOff(),
    recover: () => widening.rebuilder.recover(),
  };
}

/** Creates the columns of all documents at once, each of the widest kind among them. */
async function addColumns(tableSchema: TableSchema, documents: readonly Uint8Array[]): Promise<void> {
  const wanted = inferColumnsOfAll(documents);
  if (wanted) await tableSchema.add(wanted);
}

/** Writes documents with new paths one by one, so that CrateDB creates columns without conflicts; adds those it cannot. */
async function inferColumns(
  rows: readonly KeyedRow[],
  tableSchema: TableSchema,
  writer: Pick<Writer, "upsert">,
): Promise<void> {
  /** Bisects a refused document down to the paths at fault. Resolves to whether the table has room for further columns. */
  const inferFrom = async (row: KeyedRow, missing: readonly Addition[]): Promise<boolean> => {
    const { data, overflow } = splitDocument(row.document, tableSchema.assuming(missing));
    const [refused] = await writer.upsert([{ oid: row.oid, data, overflow }]);
    if (!refused) return true;
    if (refused.kind === "too many columns") return false;
    if (missing.length === 1) return true;
    const middle = missing.length >> 1;
    return await inferFrom(row, missing.slice(0, middle)) && await inferFrom(row, missing.slice(middle));
  };
  for (const row of rows) {
    const wanted = inferDocumentColumns(row.document);
    if (!wanted) continue;
    const missing = tableSchema.missing(wanted);
    if (missing.length > 0) {
      await inferFrom(row, missing);
      await tableSchema.load();
    }
    await tableSchema.add(wanted);
  }
}
