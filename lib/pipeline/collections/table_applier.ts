/** How changes become rows of one table: reduced to one a key, split, written, every row accounted for. */
import { BsonType, type BsonValue, bytesOf } from "../../bson/bson.ts";
import { UnstorableError } from "../../bson/unstorable_error.ts";
import { withoutFields } from "../../bson/without_fields.ts";
import { rowKeyText, type ShardKey } from "../../key/document_key.ts";
import { jsonOf } from "../../mapping/bson_to_json.ts";
import type { ColumnPath } from "../../mapping/column_tree.ts";
import { splitDocument } from "../../mapping/split_document.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { DeadLetter, DeadLetters } from "../../sink/metadata/dead_letters.ts";
import type { ColumnPolicy, KeyedRow } from "../../sink/columns/column_policy.ts";
import { quoteTable } from "../../sink/sql/names.ts";
import type { TargetTable } from "../../sink/table/target_table.ts";
import type { RefusedRow, Row, Writer } from "../../sink/table/writer.ts";
import type { Logger } from "../../util/log.ts";
import type { GarbageLimit } from "../../util/garbage.ts";
import { ReadWriteLock } from "../../util/concurrency.ts";
import { coalesce, type RowChange } from "./coalesce.ts";
import type { DeadLetterLimit } from "./dead_letter_limit.ts";
import type { Emit } from "../status/events.ts";
import type { RelaySettings } from "../settings.ts";
import { type Stage, timed } from "../status/stages.ts";

export interface TableApplierDeps {
  readonly namespace: Namespace;
  readonly table: TargetTable;
  readonly columns: ColumnPolicy;
  readonly writer: Pick<Writer, "upsert" | "delete" | "truncate" | "drop" | "keys" | "refresh">;
  readonly deadLetters: Pick<DeadLetters, "keys" | "count" | "read" | "add" | "resolve" | "clear">;
  /** Asked before dead letters are kept, of all tables. */
  readonly deadLetterLimit: Pick<DeadLetterLimit, "check" | "count">;
  readonly onDrop: RelaySettings["onDrop"];
  /** Those of these keys that are this relay's to write. */
  readonly ownKeys: (oids: readonly string[]) => Promise<readonly string[]>;
  /** What the collection is sharded by, where rows are named by that too. */
  readonly shardKey: ShardKey;
  /** Paths of fields that are left out. */
  readonly omit: readonly string[];
  /** Asked for room before documents become rows, and before those become statements. */
  readonly garbage: Pick<GarbageLimit, "makeRoom">;
  readonly log: Logger;
  readonly emit: Emit;
}

/** A document and what it is now; null when it is gone, or known to MongoDB alone. */
export interface DocumentState {
  readonly id: BsonValue;
  /** `_id` with the shard key, where an event has named it. */
  readonly key?: BsonValue;
  readonly document: Uint8Array | null;
  /** Why MongoDB does not give the document: it becomes a dead letter without it. */
  readonly refusal?: string;
}

/** Of a document under way, beside itself: its JSON, the statement with it, that in UTF-8, and the next reply. */
const COPIES = 4;

/** What is written of some documents. */
interface Split {
  /** Of the columns. */
  readonly version: number;
  readonly rows: Row[];
  readonly letters: DeadLetter[];
  /** Keys of rows that have more than nulls in `overflow`. */
  readonly overflowed: string[];
  /** Documents with values that have no column yet. */
  readonly needColumns: KeyedRow[];
  /** Columns that have met values which a wider one would take. */
  readonly needWidening: ColumnPath[];
}

/** What has become of documents that were written. */
interface Outcome extends Pick<Split, "letters"> {
  /** Rows that were written with more than nulls in `overflow`. */
  readonly overflowed: number;
}

/** What the log quotes of an error, which may quote a document. */
const MAX_ERROR_CHARACTERS = 500;

/** Why a table is emptied and not dropped. */
const KEPT_TABLES = {
  needed: "A table is emptied and not dropped: other objects depend on it",
  "backup running": "A table is emptied, and dropped later: CrateDB takes a snapshot of it",
};

/** Several may apply changes at once, of different keys. */
export class TableApplier {
  /** Whether something was written that queries may not see yet. */
  dirty = false;
  readonly #deps: TableApplierDeps;
  /** Rows are written under it together; columns are changed by one alone. */
  readonly #lock = new ReadWriteLock();
  /** Whether documents are tried again that are dead letters already. */
  #isReplaying = false;

  constructor(deps: TableApplierDeps) {
    this.#deps = deps;
  }

  get shardKey(): ShardKey {
    return this.#deps.shardKey;
  }

  /** The key of a document's row: by the document where there is one, else by what an event has named. */
  keyOf({ id, key, document }: DocumentState): string {
    return rowKeyText(id, document ?? (key && bytesOf(key)), this.#deps.shardKey);
  }

  /** Keys of dead letters, in lists of at most `size`. */
  deadKeys(size: number): AsyncGenerator<string[]> {
    return this.#deps.deadLetters.keys(size);
  }

  /** Tries documents again that no row could hold. A letter that cannot be read is reported, and stays. */
  async retryDeadLetters(): Promise<void> {
    const { namespace, deadLetters, ownKeys, log } = this.#deps;
    const before = await deadLetters.count();
    if (before === 0) return;
    const collection = namespaceText(namespace);
    this.#isReplaying = true;
    try {
      for await (const letters of deadLetters.read()) {
        const own = new Set(await ownKeys(letters.map(({ oid }) => oid)));
        const rows: KeyedRow[] = [];
        for (const letter of letters) {
          if (!own.has(letter.oid)) continue;
          if ("document" in letter) rows.push(letter);
          else {
            const { oid, unreadable: error } = letter;
            log.warn("A dead letter cannot be read, and stays", { oid, collection, error: quoted(error) });
          }
        }
        await this.#write(rows);
      }
    } finally {
      this.#isReplaying = false;
    }
    const left = await deadLetters.count();
    log.warn("Dead letters were tried again", {
      stored: before - left,
      left,
      collection,
      table: "cdc_dead_letter",
    });
  }

  /** Makes the first columns of a table that has none. */
  async learn(sample: () => Promise<readonly Uint8Array[]>): Promise<void> {
    await this.#deps.columns.learn(async () =>
      (await sample()).map((each) => this.#withoutOmitted(each)).filter(isStorable)
    );
  }

  /** Leaves out what MongoDB cannot. */
  #withoutOmitted(document: Uint8Array): Uint8Array {
    return withoutFields(document, this.#deps.omit);
  }

  /**
   * Applies changes in their order. Every row is confirmed, or a dead letter, when it resolves.
   *
   * @returns how many different keys they have
   */
  async apply(changes: readonly DocumentState[]): Promise<number> {
    const last = coalesce(changes.map((state) => this.#rowChange(state)));
    await this.#write(last);
    return last.length;
  }

  #rowChange(state: DocumentState): RowChange {
    const { document, refusal } = state;
    const change = { oid: this.keyOf(state), document: document && this.#withoutOmitted(document) };
    return refusal === undefined ? change : { ...change, refusal };
  }

  /** Removes rows, and dead letters. */
  async remove(oids: readonly string[]): Promise<void> {
    await this.#write(oids.map((oid) => ({ oid, document: null })));
  }

  /** Keys of the table's rows, in lists of at most `size`. */
  keys(size: number): AsyncGenerator<string[]> {
    return this.#deps.writer.keys(size);
  }

  /** Makes what was written visible to queries. */
  async refresh(): Promise<void> {
    const before = this.dirty;
    // What is written meanwhile may need another one.
    this.dirty = false;
    try {
      await this.#deps.writer.refresh();
    } catch (error) {
      this.dirty ||= before;
      throw error;
    }
  }

  /**
   * Removes all that there is of a collection that is gone.
   *
   * @returns whether the table, empty now, is to be dropped later: a backup of CrateDB keeps it
   */
  async dropRows(): Promise<boolean> {
    const { onDrop, writer, table, log } = this.#deps;
    const why = onDrop === "drop" ? await writer.drop() : undefined;
    if (why !== undefined || onDrop !== "drop") await writer.truncate();
    if (why !== undefined) log.warn(KEPT_TABLES[why], { table: quoteTable(table) });
    await this.discardDeadLetters();
    this.dirty = false;
    return why === "backup running";
  }

  /** @returns whether a backup of CrateDB still keeps the table */
  async retryDrop(): Promise<boolean> {
    return await this.#deps.writer.drop() === "backup running";
  }

  discardDeadLetters(): Promise<void> {
    return this.#deps.deadLetters.clear();
  }

  /** Precondition: one change per key. */
  async #write(changes: readonly RowChange[]): Promise<void> {
    if (changes.length === 0) return;
    const { deadLetters, deadLetterLimit, garbage, log, namespace, emit } = this.#deps;
    const upserts = changes.filter((change): change is KeyedRow => change.document !== null);
    const gone = changes.filter(({ document }) => document === null).map(({ oid }) => oid);
    const room = COPIES * upserts.reduce((bytes, { document }) => bytes + document.length, 0);
    let outcome: Outcome | undefined;
    while (!outcome) {
      garbage.makeRoom(room);
      const split = await this.#split(upserts);
      garbage.makeRoom(room);
      outcome = await this.#lock.shared(() => this.#writeSplit(split, { upserts, gone }));
    }
    const { overflowed } = outcome;
    const refused = changes.flatMap(({ oid, refusal: error }) =>
      error === undefined ? [] : { oid, error, document: null }
    );
    const letters = [...outcome.letters, ...refused];
    await deadLetters.add(letters);
    const dead = new Set(letters.map(({ oid }) => oid));
    if (!this.#isReplaying) {
      deadLetterLimit.count({ written: upserts.length - outcome.letters.length, letters: outcome.letters });
    }
    await deadLetters.resolve(changes.map(({ oid }) => oid).filter((oid) => !dead.has(oid)));
    const collection = namespaceText(namespace);
    // A retry that fails adds no dead letter.
    const added = this.#isReplaying ? [] : letters;
    for (const { oid, error } of added) {
      log.warn("A document went to the dead letters", { oid, collection, error: quoted(error) });
    }
    this.dirty = true;
    const counts = {
      upserts: upserts.length - outcome.letters.length,
      deletes: gone.length - refused.length,
      overflowed,
      deadLetters: added.length,
    };
    emit({ type: "tableWritten", namespace, ...counts });
  }

  /**
   * Writes nothing that was split for other columns than the table has. After writing, reads the columns again.
   *
   * @returns undefined where they have changed, because they were widened, another process has swapped the table, or
   * CrateDB has inferred some: all has to be split and written once more
   */
  async #writeSplit(
    { version, rows, letters, overflowed }: Split,
    { upserts, gone }: { readonly upserts: readonly KeyedRow[]; readonly gone: readonly string[] },
  ): Promise<Outcome | undefined> {
    const { writer, columns, deadLetterLimit } = this.#deps;
    if (columns.version !== version) return undefined;
    return await this.#timed("write", async () => {
      const refused = rows.length > 0 ? await writer.upsert(rows) : [];
      const dead = [...letters, ...lettersOf(refused, upserts)];
      if (!this.#isReplaying) deadLetterLimit.check({ written: rows.length - refused.length, letters: dead });
      await writer.delete([...gone, ...dead.map(({ oid }) => oid)]);
      await columns.load();
      if (columns.version !== version) return undefined;
      const unwritten = new Set(refused.map(({ oid }) => oid));
      return { letters: dead, overflowed: overflowed.filter((oid) => !unwritten.has(oid)).length };
    });
  }

  /**
   * Makes missing columns first, for the whole batch at once, and widens those that are too narrow. After a widening,
   * `#writeSplit` has all split anew.
   */
  async #split(upserts: readonly KeyedRow[]): Promise<Split> {
    const { columns } = this.#deps;
    let split = await this.#timed("split", () => this.#splitAll(upserts));
    if (split.needColumns.length > 0) {
      const { needColumns } = split;
      await this.#lock.exclusive(() => this.#timed("columns", () => columns.makeRoom(needColumns)));
      split = await this.#timed("split", () => this.#splitAll(upserts));
    }
    if (split.needWidening.length > 0) {
      const { needWidening, version } = split;
      await this.#lock.exclusive(async () => {
        if (columns.version === version) await this.#timed("columns", () => columns.widen(needWidening));
      });
    }
    return split;
  }

  #timed<T>(stage: Stage, work: () => T | Promise<T>): Promise<T> {
    return timed(stage, work, this.#deps);
  }

  #splitAll(upserts: readonly KeyedRow[]): Split {
    const { columns, table } = this.#deps;
    const { version } = columns;
    const rows: Row[] = [];
    const letters: DeadLetter[] = [];
    const needColumns: KeyedRow[] = [];
    const needWidening: ColumnPath[] = [];
    const overflowed: string[] = [];
    for (const upsert of upserts) {
      const { oid, document } = upsert;
      try {
        const split = splitDocument(document, columns.columns);
        const { data, overflow } = split;
        if (split.needsColumns) needColumns.push(upsert);
        for (const path of split.needsWidening) needWidening.push(path);
        if (split.overflowed && !table.hasOverflow) {
          letters.push({ oid, document, error: `The table has no column for overflow: ${overflow}` });
          continue;
        }
        if (split.overflowed) overflowed.push(oid);
        rows.push({ oid, data, overflow });
      } catch (error) {
        if (!(error instanceof UnstorableError)) throw error;
        letters.push({ oid, document, error: error.message });
      }
    }
    return { version, rows, letters, overflowed, needColumns, needWidening };
  }
}

/** Whether a row can hold the document. */
function isStorable(document: Uint8Array): boolean {
  try {
    jsonOf({ type: BsonType.document, bytes: document, offset: 0, length: document.length });
    return true;
  } catch (error) {
    if (error instanceof UnstorableError) return false;
    throw error;
  }
}

function lettersOf(refused: readonly RefusedRow[], upserts: readonly KeyedRow[]): DeadLetter[] {
  if (refused.length === 0) return [];
  const documents = new Map(upserts.map(({ oid, document }) => [oid, document]));
  return refused.map(({ oid, error }) => ({ oid, error, document: documents.get(oid) ?? null }));
}

const quoted = (error: string): string =>
  error.length > MAX_ERROR_CHARACTERS ? `${error.slice(0, MAX_ERROR_CHARACTERS)}…` : error;
