/** Who creates the columns below `data` (`--columns`), and what happens to values that do not fit them. */
import {
  type Addition,
  type Column,
  type ColumnPath,
  inferColumnsOfAll,
  inferDocumentColumns,
} from "../../mapping/column_tree.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import type { ColumnMode } from "../sql/dialect.ts";
import { quoteTable } from "../sql/names.ts";
import type { TargetTable } from "../table/target_table.ts";
import { UnusableTableError } from "../table/unusable_table.ts";
import type { Writer } from "../table/writer.ts";
import type { TableSchema } from "./table_schema.ts";
import type { Widening } from "./widening.ts";

/** A document and the key of its row. */
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
  retryPutOff(): Promise<boolean>;
  /** Cleans up after an interrupted rebuild. @returns whether something is left, or another relay is rebuilding the table */
  recover(): Promise<boolean>;
}

/** PostgreSQL's JSONB has no columns, and stores nearly every value unchanged. */
export const JSONB_COLUMNS: ColumnPolicy = {
  columns: { kind: "jsonb" },
  version: 0,
  load: async () => {},
  learn: async () => {},
  makeRoom: async () => {},
  widen: async () => {},
  retryPutOff: () => Promise.resolve(false),
  recover: () => Promise.resolve(false),
};

export interface ColumnDeps {
  readonly table: TargetTable;
  readonly tableSchema: TableSchema;
  readonly widening: Pick<Widening, "widen" | "retryPutOff" | "recover">;
  readonly writer: Pick<Writer, "upsert">;
}

/** The policy of a table in CrateDB. @throws UnusableTableError if the table's columns do not fit the mode */
export async function openColumnPolicy(mode: ColumnMode, deps: ColumnDeps): Promise<ColumnPolicy> {
  const policy = mode === "dynamic" ? new InferredColumns(deps) : new TypedColumns(deps);
  await policy.load();
  if (mode === "ignored" && policy.columns.kind !== "ignored") {
    throw new UnusableTableError(
      `--columns ignored, but ${quoteTable(deps.table)} has a \`data\` that is not a plain OBJECT(IGNORED)`,
      { hint: "Leave --columns out, or name a new table with --table." },
    );
  }
  return policy;
}

/** Creates columns by BSON type before values arrive. An `OBJECT(IGNORED)` has no columns and needs none. */
class TypedColumns implements ColumnPolicy {
  protected readonly deps: ColumnDeps;

  constructor(deps: ColumnDeps) {
    this.deps = deps;
  }

  get columns(): Column {
    return this.deps.tableSchema.columns;
  }

  get version(): number {
    return this.deps.tableSchema.version;
  }

  load(): Promise<void> {
    return this.deps.tableSchema.load();
  }

  async learn(sample: () => Promise<readonly Uint8Array[]>): Promise<void> {
    if (this.columns.children?.size === 0 && !this.columns.closed) await this.#add(await sample());
  }

  async makeRoom(documents: readonly KeyedRow[]): Promise<void> {
    await this.#add(documents.map(({ document }) => document));
  }

  async widen(paths: readonly ColumnPath[]): Promise<void> {
    await this.deps.widening.widen(paths);
  }

  retryPutOff(): Promise<boolean> {
    return this.deps.widening.retryPutOff();
  }

  recover(): Promise<boolean> {
    return this.deps.widening.recover();
  }

  /** Creates the columns of all documents at once, each of the widest kind among them. */
  async #add(documents: readonly Uint8Array[]): Promise<void> {
    const wanted = inferColumnsOfAll(documents);
    if (wanted) await this.deps.tableSchema.add(wanted);
  }
}

/** Lets CrateDB infer columns from values. */
class InferredColumns extends TypedColumns {
  override async learn(): Promise<void> {}

  /**
   * Writes documents with new paths one after the other, so that CrateDB creates their columns without conflicts. Paths
   * of which it can create no column get one by type.
   */
  override async makeRoom(documents: readonly KeyedRow[]): Promise<void> {
    const { tableSchema } = this.deps;
    for (const row of documents) {
      const wanted = inferDocumentColumns(row.document);
      if (!wanted) continue;
      const missing = tableSchema.missing(wanted);
      if (missing.length > 0) {
        await this.#infer(row, missing);
        await tableSchema.load();
      }
      await tableSchema.add(wanted);
    }
  }

  /** Bisects a refused document down to the paths at fault. @returns whether the table has room for further columns */
  async #infer(row: KeyedRow, missing: readonly Addition[]): Promise<boolean> {
    const { tableSchema, writer } = this.deps;
    const { data, overflow } = splitDocument(row.document, tableSchema.assuming(missing));
    const [refused] = await writer.upsert([{ oid: row.oid, data, overflow }]);
    if (!refused) return true;
    if (refused.kind === "too many columns") return false;
    if (missing.length === 1) return true;
    const middle = missing.length >> 1;
    return await this.#infer(row, missing.slice(0, middle)) &&
      await this.#infer(row, missing.slice(middle));
  }
}
