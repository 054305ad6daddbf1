/** How a batch of changes becomes rows: coalesced, placed, written, every row accounted for. */
import type { RelaySettings } from "./settings.ts";
import { UserError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { type BsonValue, documentOfExtendedJson, extendedJson } from "../bson/bson.ts";
import { coalesce, type RowChange } from "./coalesce.ts";
import {
  additions,
  type Column,
  type ColumnPath,
  inferDocumentColumns,
  widest,
} from "../mapping/column_tree.ts";
import { UnstorableError } from "../mapping/bson_to_json.ts";
import { keyText } from "../key/key_text.ts";
import { splitDocument } from "../mapping/split_document.ts";
import type { DeadLetter, DeadLetters } from "../sink/metadata/dead_letters.ts";
import type { Columns } from "../sink/table/column_policy.ts";
import { quoteTable } from "../sink/table/sql_names.ts";
import type { TargetTable } from "../sink/table/target_table.ts";
import type { Widening } from "../sink/widening/widening.ts";
import type { Row, Writer } from "../sink/table/writer.ts";

export interface TableApplierDeps {
  readonly table: TargetTable;
  readonly tableSchema: Columns;
  readonly widening: Pick<Widening, "widen">;
  readonly writer: Writer;
  readonly deadLetters: DeadLetters;
  readonly config: Pick<RelaySettings, "columns" | "onDrop">;
  readonly log: Logger;
}

/** A document and what it is now; null when it is gone. */
export interface DocumentState {
  readonly id: BsonValue;
  readonly document: Uint8Array | null;
}

/** What is counted, for the summary. */
export interface Counts {
  upserts: number;
  deletes: number;
  overflowed: number;
  deadLetters: number;
}

interface SplitDocument {
  readonly rows: Row[];
  readonly letters: DeadLetter[];
  /** How many rows have more than nulls in `overflow`. */
  readonly overflowed: number;
  /** Documents with values that have no column yet. */
  readonly missing: Upsert[];
  /** Columns that have met values which a wider one would take. */
  readonly narrow: ColumnPath[];
}

type Upsert = RowChange & { readonly document: Uint8Array };

/** Dead letters that are tried again at once. */
const LETTERS = 500;

export class TableApplier {
  readonly counts: Counts = { upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 };
  /** Whether something was written that queries may not see yet. */
  dirty = false;
  readonly #parts: TableApplierDeps;

  constructor(parts: TableApplierDeps) {
    this.#parts = parts;
  }

  /** Reads the table's columns; tries documents again that no row could hold. */
  async open(): Promise<void> {
    const { tableSchema, deadLetters, table, config, log } = this.#parts;
    await tableSchema.load();
    if (config.columns === "ignored" && tableSchema.columns.kind !== "ignored") {
      throw new UserError(
        `--columns ignored, but ${quoteTable(table)} has a \`data\` that is not a plain OBJECT(IGNORED)`,
        {
          hint: "Leave --columns out, or name a new table with --table.",
        },
      );
    }
    const { count } = deadLetters;
    if (count === 0) return;
    for await (const letters of deadLetters.read(LETTERS)) {
      await this.#write(
        letters.map(({ oid, document }) => ({ oid, document: documentOfExtendedJson(document) })),
      );
    }
    log.warn("Dead letters were tried again", {
      landed: count - deadLetters.count,
      left: deadLetters.count,
      table: "cdc_dead_letter",
    });
  }

  /** Makes the first columns of a table that has none. */
  async learn(sample: AsyncIterable<Uint8Array>): Promise<void> {
    const { tableSchema, config } = this.#parts;
    if (
      config.columns !== "typed" || tableSchema.columns.children?.size !== 0 || tableSchema.columns.closed
    ) return;
    let shape: Column | undefined;
    for await (const document of sample) shape = widest(shape, inferDocumentColumns(document));
    if (shape) await tableSchema.add(shape);
  }

  async refresh(): Promise<void> {
    await this.#parts.writer.refresh();
    this.dirty = false;
  }

  /** Changes in their order. */
  async land(changes: readonly DocumentState[]): Promise<void> {
    await this.#write(coalesce(changes.map(({ id, document }) => ({ oid: keyText(id), document }))));
  }

  /** Keys of the table's rows, in lists of at most `size`. */
  keys(size: number): AsyncGenerator<string[]> {
    return this.#parts.writer.keys(size);
  }

  /** Keys of dead letters. */
  get deadKeys(): string[] {
    return this.#parts.deadLetters.oids;
  }

  /** Removes rows, and dead letters. */
  async remove(oids: readonly string[]): Promise<void> {
    await this.#write(oids.map((oid) => ({ oid, document: null })));
  }

  /** Removes all that there is of a collection that is gone. */
  async gone(): Promise<void> {
    const { config: { onDrop }, writer, table, log } = this.#parts;
    const isDropped = onDrop === "drop" && await writer.drop();
    if (!isDropped) await writer.truncate();
    if (!isDropped && onDrop === "drop") {
      log.warn("A table is emptied and not dropped: other objects depend on it", {
        table: quoteTable(table),
      });
    }
    await this.forget();
    this.dirty = false;
  }

  /** Removes the dead letters. */
  forget(): Promise<void> {
    return this.#parts.deadLetters.clear();
  }

  /**
   * Changes of different keys. What is written is good only in the columns that it was placed in: where those have
   * changed by then, because another process swapped the table or CrateDB inferred some, all is written once more.
   */
  async #write(changes: readonly RowChange[]): Promise<void> {
    const { writer, tableSchema, deadLetters, log } = this.#parts;
    const upserts = changes.filter((change): change is Upsert => change.document !== null);
    const gone = changes.filter(({ document }) => document === null).map(({ oid }) => oid);
    let letters: DeadLetter[];
    do {
      letters = await this.#upsert(upserts);
      await writer.delete([...gone, ...letters.map(({ oid }) => oid)]);
    } while (changes.length > 0 && await tableSchema.load());
    await deadLetters.add(letters);
    const dead = new Set(letters.map(({ oid }) => oid));
    await deadLetters.settle(changes.map(({ oid }) => oid).filter((oid) => !dead.has(oid)));
    for (const { oid, error } of letters) log.warn("A document went to the dead letters", { oid, error });
    this.dirty ||= changes.length > 0;
    this.counts.upserts += upserts.length - letters.length;
    this.counts.deletes += gone.length;
    this.counts.deadLetters += letters.length;
  }

  async #upsert(upserts: readonly Upsert[]): Promise<DeadLetter[]> {
    if (upserts.length === 0) return [];
    const { rows, letters, overflowed } = await this.#place(upserts);
    const refused = await this.#parts.writer.upsert(rows);
    this.counts.overflowed += overflowed;
    const documents = new Map(upserts.map(({ oid, document }) => [oid, document]));
    return [
      ...letters,
      ...refused.map(({ oid, error }) => letterOf(oid, documents.get(oid) ?? new Uint8Array(), error)),
    ];
  }

  /** Columns that are missing are made first, for the whole batch at once; those that are too narrow become wider. */
  async #place(upserts: readonly Upsert[]): Promise<SplitDocument> {
    const { widening } = this.#parts;
    let placed: SplitDocument;
    do {
      placed = this.#placeAll(upserts);
      if (placed.missing.length > 0) {
        await this.#makeColumns(placed.missing);
        placed = this.#placeAll(upserts);
      }
    } while (placed.narrow.length > 0 && await widening.widen(placed.narrow));
    return placed;
  }

  async #makeColumns(missing: readonly Upsert[]): Promise<void> {
    const { tableSchema, config } = this.#parts;
    if (config.columns === "dynamic") return await this.#infer(missing);
    const shape = missing.map(({ document }) => inferDocumentColumns(document)).reduce(widest, undefined);
    if (shape) await tableSchema.add(shape);
  }

  #placeAll(upserts: readonly Upsert[]): SplitDocument {
    const { tableSchema, table } = this.#parts;
    const rows: Row[] = [];
    const letters: DeadLetter[] = [];
    const allMissing: Upsert[] = [];
    const allNarrow: ColumnPath[] = [];
    let overflowed = 0;
    for (const upsert of upserts) {
      const { oid, document } = upsert;
      try {
        const { data, overflow, misfits, missing, narrow } = splitDocument(document, tableSchema.columns);
        if (missing) allMissing.push(upsert);
        for (const path of narrow) allNarrow.push(path);
        if (misfits) overflowed++;
        if (misfits && !table.hasOverflow) {
          letters.push(letterOf(oid, document, `The table has no column for overflow: ${overflow}`));
        } else rows.push({ oid, data, overflow });
      } catch (error) {
        if (!isUnstorable(error)) throw error;
        letters.push(letterOf(oid, document, error.message));
      }
    }
    return { rows, letters, overflowed, missing: allMissing, narrow: allNarrow };
  }

  /**
   * New paths are written in one document after the other, so that CrateDB makes their columns with nothing to
   * conflict; what it can make no column of gets one by type.
   */
  async #infer(documents: readonly Upsert[]): Promise<void> {
    const { tableSchema } = this.#parts;
    for (const upsert of documents) {
      const shape = inferDocumentColumns(upsert.document);
      if (!shape) continue;
      const paths = additions(tableSchema.columns, shape).map(({ path }) => path);
      if (paths.length === 0) continue;
      await this.#inferPaths(upsert, paths);
      await tableSchema.load();
      await tableSchema.add(shape);
    }
  }

  /**
   * A refused document is bisected down to the paths at fault.
   *
   * @returns whether the table has room for further columns
   */
  async #inferPaths(upsert: Upsert, paths: readonly ColumnPath[]): Promise<boolean> {
    const { tableSchema, writer } = this.#parts;
    const { data, overflow } = splitDocument(upsert.document, tableSchema.assuming(paths));
    const [refused] = await writer.upsert([{ oid: upsert.oid, data, overflow }]);
    if (!refused) return true;
    if (refused.kind === "too many columns") return false;
    if (paths.length === 1) return true;
    const middle = paths.length >> 1;
    return await this.#inferPaths(upsert, paths.slice(0, middle)) &&
      await this.#inferPaths(upsert, paths.slice(middle));
  }
}

const isUnstorable = (error: unknown): error is Error =>
  error instanceof UnstorableError || error instanceof TypeError ||
  error instanceof Error && error.name.startsWith("BSON");

const letterOf = (oid: string, document: Uint8Array, error: string): DeadLetter => ({
  oid,
  error,
  document: extendedJson(document),
});
