/** Applies changes to one table: each row is written, deleted or a dead letter in the end. */
import { type BsonValue, bytesOf } from "../../bson/bson.ts";
import { withoutFields } from "../../bson/without_fields.ts";
import { rowKeyText, type ShardKey } from "../../key/document_key.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { DeadLetters } from "../../sink/metadata/dead_letters.ts";
import type { ColumnPolicy, KeyedRow } from "../../sink/columns/column_policy.ts";
import { type Writer, writeRows } from "../../sink/table/writer.ts";
import type { LookedUp } from "../../source/documents/chunk.ts";
import type { MemoryBudget } from "../../util/garbage.ts";
import { ReadWriteLock } from "../../util/concurrency.ts";
import { cdcOfChanges, type Origin, type Reading } from "./cdc_of_changes.ts";
import { type DeadLetterLimit, fittingLetters } from "./dead_letters.ts";
import { expiryOf, type RemoveDeps, removeRows } from "./remove_rows.ts";
import {
  coalesce,
  isDelete,
  isStorable,
  mayHaveMoved,
  type MovingDeps,
  placeOf,
  type RowChange,
  type Split,
  splitRows,
} from "./row_changes.ts";
import type { Emit } from "../status/events.ts";
import type { CollectionSettings } from "../settings.ts";
import { type Stage, timed } from "../status/stages.ts";

export interface TableApplierDeps extends RemoveDeps, MovingDeps {
  readonly namespace: Namespace;
  readonly columns: ColumnPolicy;
  readonly writer: Pick<Writer, keyof Writer>;
  readonly deadLetters: Pick<DeadLetters, "keys" | "among" | "read" | "add" | "resolve" | "clear">;
  /** The limit of all tables. */
  readonly deadLetterLimit: Pick<DeadLetterLimit, "check" | "count">;
  readonly settings: Pick<CollectionSettings, "onDrop" | "omit" | "deletes">;
  /** Those of these keys that this relay writes. */
  readonly ownKeys: (oids: readonly string[]) => Promise<readonly string[]>;
  readonly garbage: MemoryBudget["garbage"];
  readonly emit: Emit;
}

/** A document as it is now. One that MongoDB refuses to return becomes a dead letter without content. */
export interface DocumentState extends LookedUp, Origin {
  /** `_id` with the shard key, if an event has named it. */
  readonly key?: BsonValue;
  /** Whether it stands for other changes of its key, too. @default {false} */
  readonly isLast?: boolean;
}

/** The column with the server's message, which may quote values of the document. */
const WHOLE_ERROR = "error in cdc_dead_letter";

/** Copies of a document that is written: its JSON, the statement, and the next reply. */
const COPIES = 3;

/** Changes of different keys may be applied concurrently. */
export class TableApplier {
  /** Whether it has written rows that queries may not see yet. */
  dirty = false;
  readonly dropExpired: ReturnType<typeof expiryOf>;
  readonly retryFitting: ReturnType<typeof fittingLetters>;
  /** Shared by writes, exclusive for changes of columns. */
  readonly #lock = new ReadWriteLock();
  #isReplaying = false;

  constructor(private readonly deps: TableApplierDeps) {
    this.dropExpired = expiryOf(deps);
    this.retryFitting = fittingLetters(deps, this);
  }

  get shardKey(): ShardKey {
    return this.deps.shardKey;
  }

  /** The key of a document's row, from the document or else from the event. */
  keyOf({ id, key, document }: DocumentState): string {
    return rowKeyText(id, document ?? (key && bytesOf(key)), this.deps.shardKey);
  }

  /** Keys of dead letters, in lists of at most `size`. */
  deadKeys(size: number): AsyncGenerator<string[]> {
    return this.deps.deadLetters.keys(size);
  }

  /** Writes documents of dead letters. Logs those that cannot be read; they stay. @returns how many were stored */
  async retryDeadLetters(oids: readonly string[]): Promise<number> {
    const { namespace, deadLetters, ownKeys, log } = this.deps;
    const before = await deadLetters.among(oids);
    const collection = namespaceText(namespace);
    this.#isReplaying = true;
    try {
      for await (const letters of deadLetters.read([...before])) {
        const own = new Set(await ownKeys(letters.map(({ oid }) => oid)));
        const rows = letters.filter(({ oid }) => own.has(oid)).flatMap((letter): KeyedRow[] => {
          if ("document" in letter) return [letter];
          const { oid, unreadable: error } = letter;
          log.warn("A dead letter cannot be read, and stays", { oid, collection, error });
          return [];
        });
        const cdcOf = cdcOfChanges(this.deps);
        await this.#write(rows.map((row) => ({ ...row, cdc: cdcOf({ ...row, clusterTime: null }) })));
      }
    } finally {
      this.#isReplaying = false;
    }
    const { size: left } = await deadLetters.among(oids);
    const stored = before.size - left;
    log.info("Dead letters were tried again", { stored, left, collection, table: "cdc_dead_letter" });
    return stored;
  }

  /** Creates the first columns of a table that has none. */
  async learn(sample: () => Promise<readonly Uint8Array[]>): Promise<void> {
    await this.deps.columns.learn(async () =>
      (await sample()).map((each) => this.#withoutOmitted(each)).filter(isStorable)
    );
  }

  #withoutOmitted(document: Uint8Array): Uint8Array {
    return withoutFields(document, this.deps.settings.omit);
  }

  /**
   * Applies changes in their order. When it resolves, CrateDB has confirmed each row or dead letter.
   *
   * @param reading why they were read, if no event brings them
   * @returns the number of different keys
   */
  async apply(changes: readonly DocumentState[], reading?: Reading): Promise<number> {
    const { deletes } = this.deps.settings;
    const cdcOf = cdcOfChanges(this.deps, reading);
    const all = changes.map((state) => {
      const { document, refusal, operation, isLast = false } = state;
      return {
        oid: this.keyOf(state),
        document: document && this.#withoutOmitted(document),
        refusal,
        isNew: operation === "insert" && !isLast,
        cdc: cdcOf(state),
      };
    });
    const kept = deletes === "keep" ? all.filter((change) => !isDelete(change)) : all;
    const last = coalesce(kept, { marks: deletes === "soft" });
    await this.#write(last);
    return last.length;
  }

  /** Removes rows and dead letters of documents that do not exist, according to `--deletes`. */
  async remove(oids: readonly string[]): Promise<void> {
    if (this.deps.settings.deletes === "keep") return;
    const cdc = cdcOfChanges(this.deps)({ document: null });
    await this.#write(oids.map((oid) => ({ oid, document: null, cdc })));
  }

  /** Keys of rows that are not marked as deleted, in lists of at most `size`. */
  keys(size: number): AsyncGenerator<string[]> {
    return this.deps.writer.keys(size, { areLive: this.deps.settings.deletes === "soft" });
  }

  async refresh(): Promise<void> {
    const before = this.dirty;
    // Rows that are written during the refresh may need another one.
    this.dirty = false;
    try {
      await this.deps.writer.refresh();
    } catch (error) {
      this.dirty ||= before;
      throw error;
    }
  }

  /**
   * Removes rows and dead letters of a dropped collection, according to `--on-drop`.
   *
   * @returns whether the emptied table is to be dropped later, because a backup of CrateDB keeps it
   */
  async dropRows(): Promise<boolean> {
    const isKept = await removeRows(this.deps);
    await this.discardDeadLetters();
    this.dirty = false;
    return isKept;
  }

  /** @returns whether a backup of CrateDB still keeps the table */
  async retryDrop(): Promise<boolean> {
    return await this.deps.writer.drop() === "backup running";
  }

  discardDeadLetters(oids?: readonly string[]): Promise<void> {
    return oids ? this.deps.deadLetters.resolve(oids) : this.deps.deadLetters.clear();
  }

  /** Precondition: one change per key. */
  async #write(changes: readonly RowChange[]): Promise<void> {
    if (changes.length === 0) return;
    const { deadLetters, deadLetterLimit, garbage, log, namespace, emit } = this.deps;
    const upserts = changes.map((change) => change.before ?? change)
      .filter((change): change is RowChange & KeyedRow => change.document !== null);
    const deleted = changes.filter(({ document }) => document === null);
    const room = COPIES * upserts.reduce((bytes, { document }) => bytes + document.length, 0);
    const attempt = async () => {
      garbage.makeRoom(room);
      const split = await this.#split(upserts);
      garbage.makeRoom(room);
      return await this.#lock.shared(() => this.#writeSplit(split, upserts, deleted));
    };
    let outcome = await attempt();
    while (!outcome) outcome = await attempt();
    const { letters: unstorable, overflowed, unshadowed, unfit } = outcome;
    const written = upserts.length - unstorable.length;
    const refused = changes.flatMap(({ oid, refusal: error }) =>
      error === undefined ? [] : { oid, error, reason: error, document: null }
    );
    const letters = [...unstorable, ...refused];
    await deadLetters.add(letters);
    const dead = new Set(letters.map(({ oid }) => oid));
    if (!this.#isReplaying) deadLetterLimit.count({ written, letters: unstorable });
    await deadLetters.resolve(changes.map(({ oid }) => oid).filter((oid) => !dead.has(oid)));
    const collection = namespaceText(namespace);
    // A retry that fails adds no dead letter.
    const added = this.#isReplaying ? [] : letters;
    for (const { oid, reason: error } of added) {
      log.warn("A document went to the dead letters", { oid, collection, error, whole: WHOLE_ERROR });
    }
    this.dirty = true;
    const counts = { upserts: written, deletes: deleted.length - refused.length, deadLetters: added.length };
    const misfits = { overflowed, ...unshadowed > 0 && { unshadowed }, ...unfit > 0 && { unfit } };
    emit({ type: "tableWritten", namespace, ...counts, ...misfits });
  }

  /**
   * Writes rows if the columns are still those that they were split for, and reads the columns again afterwards.
   *
   * @returns the dead letters, and how many written rows have an overflow; undefined if the columns have changed
   * (widened, inferred by CrateDB, or in a table that another process has swapped): split and write again
   */
  async #writeSplit(
    { version, rows, letters, overflowed, expired, unshadowed, unfit }: Split,
    upserts: readonly (RowChange & KeyedRow)[],
    deleted: readonly RowChange[],
  ) {
    const { writer, columns, deadLetters, deadLetterLimit } = this.deps;
    if (columns.version !== version) return undefined;
    return await this.#timed("write", async () => {
      const { refused, ...written } = await writeRows(writer, rows);
      // Before rows are deleted: a table that was rebuilt may have refused rows that are not at fault.
      await columns.load();
      if (columns.version !== version) return undefined;
      const errors = new Map(refused.map(({ oid, error, reason }) => [oid, { error, reason }]));
      const gone = new Set(deleted.map(({ oid }) => oid));
      const dead = [
        ...letters,
        ...upserts.flatMap(({ oid, document }) => {
          const error = errors.get(oid);
          return error === undefined ? [] : { oid, ...error, document };
        }),
      ].filter(({ oid }) => !gone.has(oid));
      if (!this.#isReplaying) {
        const outcome = { written: rows.length - refused.length, letters: dead };
        await deadLetterLimit.check(outcome, () => deadLetters.add(dead.slice(-1)));
      }
      const place = this.deps;
      await writer.deleteMoved(mayHaveMoved(rows, upserts, place).filter(({ oid }) => !errors.has(oid)));
      const others = [...expired, ...dead.map(({ oid }) => oid)].filter((oid) => !gone.has(oid));
      await writer.delete([
        ...deleted.map(({ oid, cdc }) => ({ ...placeOf(oid, place), cdc })),
        ...others.map((oid) => placeOf(oid, place)),
      ]);
      return {
        letters: dead,
        overflowed: overflowed.filter((oid) => !errors.has(oid)).length,
        unshadowed: unshadowed + written.unshadowed,
        unfit,
      };
    });
  }

  /**
   * Splits documents. Adds missing columns before, for the whole batch at once, and widens columns that are too narrow:
   * then `#writeSplit` has all split again.
   */
  async #split(upserts: readonly KeyedRow[]): Promise<Split> {
    const { columns, table, partitioning } = this.deps;
    let split = await this.#timed("split", () => splitRows(upserts, columns, table, partitioning));
    if (split.needColumns.length > 0) {
      const { needColumns } = split;
      await this.#lock.exclusive(() => this.#timed("columns", () => columns.makeRoom(needColumns)));
      split = await this.#timed("split", () => splitRows(upserts, columns, table, partitioning));
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
    return timed(stage, work, this.deps);
  }
}
