/** Whose the columns below `data` are, and what is done for values that have none or do not fit theirs. */
import type { ColumnMode } from "../sql/dialect.ts";
import {
  type Addition,
  type Column,
  type ColumnPath,
  inferColumnsOfAll,
  inferDocumentColumns,
} from "../../mapping/column_tree.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import type { Widening } from "./widening.ts";
import { quoteTable } from "../sql/names.ts";
import type { TableSchema } from "./table_schema.ts";
import type { TargetTable } from "../table/target_table.ts";
import { UnusableTableError } from "../table/unusable_table.ts";
import type { Writer } from "../table/writer.ts";

/** A document and the key of its row. */
export interface KeyedRow {
  readonly oid: string;
  readonly document: Uint8Array;
}

export interface ColumnPolicy {
  /** The columns below `data`, as they were read last. */
  readonly columns: Column;
  /** Grows whenever they turn out to have changed. */
  readonly version: number;
  /** Reads the columns anew. */
  load(): Promise<void>;
  /** Makes the first columns of a table that has none, from documents of the collection. */
  learn(sample: () => Promise<readonly Uint8Array[]>): Promise<void>;
  /** Makes columns for values of these documents that have none. Nothing may be written to the table meanwhile. */
  makeRoom(documents: readonly KeyedRow[]): Promise<void>;
  /** Makes columns wider that do not take their values. Nothing may be written to the table meanwhile. */
  widen(paths: readonly ColumnPath[]): Promise<void>;
  /** Tries again to widen what had to wait for a backup of CrateDB. */
  retryPutOff(): Promise<boolean>;
  /**
   * Cleans up after a relay that died while it changed the table.
   * @returns whether there is something left to clean up, or a relay that is still changing it
   */
  recover(): Promise<boolean>;
}

/** PostgreSQL's JSONB has no columns, and takes nearly every value as it is. */
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

/**
 * The policy of a table in CrateDB.
 * @throws UnusableTableError when the table's columns do not go with the mode
 */
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

/** Columns by BSON type, made before values arrive. An `OBJECT(IGNORED)` has none, and asks for none. */
class TypedColumns implements ColumnPolicy {
  readonly #deps: ColumnDeps;

  constructor(deps: ColumnDeps) {
    this.#deps = deps;
  }

  get columns(): Column {
    return this.#deps.tableSchema.columns;
  }

  get version(): number {
    return this.#deps.tableSchema.version;
  }

  load(): Promise<void> {
    return this.#deps.tableSchema.load();
  }

  async learn(sample: () => Promise<readonly Uint8Array[]>): Promise<void> {
    if (this.columns.children?.size === 0 && !this.columns.closed) await this.#add(await sample());
  }

  async makeRoom(documents: readonly KeyedRow[]): Promise<void> {
    await this.#add(documents.map(({ document }) => document));
  }

  async widen(paths: readonly ColumnPath[]): Promise<void> {
    await this.#deps.widening.widen(paths);
  }

  retryPutOff(): Promise<boolean> {
    return this.#deps.widening.retryPutOff();
  }

  recover(): Promise<boolean> {
    return this.#deps.widening.recover();
  }

  /** For all documents at once, with the widest kind among them. */
  async #add(documents: readonly Uint8Array[]): Promise<void> {
    const wanted = inferColumnsOfAll(documents);
    if (wanted) await this.#deps.tableSchema.add(wanted);
  }
}

/** Columns that CrateDB infers of the values. */
class InferredColumns extends TypedColumns {
  readonly #inferring: ColumnDeps;

  constructor(deps: ColumnDeps) {
    super(deps);
    this.#inferring = deps;
  }

  override async learn(): Promise<void> {}

  /**
   * Writes documents with new paths one after the other, so that CrateDB makes their columns with nothing to conflict.
   * What it can make no column of gets one by type.
   */
  override async makeRoom(documents: readonly KeyedRow[]): Promise<void> {
    const { tableSchema } = this.#inferring;
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

  /**
   * A refused document is bisected down to the paths at fault.
   * @returns whether the table has room for further columns
   */
  async #infer(row: KeyedRow, missing: readonly Addition[]): Promise<boolean> {
    const { tableSchema, writer } = this.#inferring;
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
