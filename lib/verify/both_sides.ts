/** Documents of a collection and rows of its table, side by side. */
import { createHash } from "node:crypto";
import { type BsonValue, fieldsByName } from "../bson/bson.ts";
import { UnstorableError } from "../bson/unstorable_error.ts";
import { withoutFields } from "../bson/without_fields.ts";
import {
  idsOf,
  oidsWithoutId,
  type RowKey,
  rowKeyOf,
  rowKeyText,
  type ShardKey,
} from "../key/document_key.ts";
import { idDocument } from "../key/query_literal.ts";
import { normalizeDocument, normalizeRow } from "../mapping/normalize.ts";
import type { Namespace } from "../util/namespace.ts";
import type { RowReader, StoredRow } from "../sink/table/row_reader.ts";
import { isThere, type LookedUp } from "../source/documents/chunk.ts";
import type { DocumentReader } from "../source/documents/documents.ts";
import { isEqual, isOverflowed, pathDifferences } from "./compare.ts";
import type { Seen } from "./settle.ts";

export interface BothSidesDeps {
  readonly namespace: Namespace;
  readonly reader: Pick<DocumentReader, "lookUp" | "keysOf" | "keysAmong">;
  readonly rows: Pick<RowReader, "rows" | "refresh">;
  /** Which of these keys have dead letters. */
  readonly deadLetters: (oids: readonly string[]) => Promise<ReadonlySet<string>>;
  /** What rows are named by beside `_id`. */
  readonly shardKey: ShardKey;
  /** Paths of fields that the relay leaves out. */
  readonly omit: readonly string[];
}

export interface Compared {
  readonly differing: readonly Seen[];
  /** Rows with values that their columns do not take. */
  readonly overflowed: number;
}

/** Keys of one statement. */
export const MAX_KEYS = 2_500;
/** Rows of one statement where it is not known how large they are. */
const MAX_EXTRA_ROWS = 100;

export class BothSides {
  readonly #deps: BothSidesDeps;

  constructor(deps: BothSidesDeps) {
    this.#deps = deps;
  }

  /** Compares documents that were just read with their rows. */
  async compare(documents: readonly LookedUp[]): Promise<Compared> {
    const byKey = new Map(documents.map((each) => [this.#keyOf(each), each]));
    const rows = await this.#deps.rows.rows([...byKey.keys()]);
    const differing: Seen[] = [];
    let overflowed = 0;
    for (const [oid, found] of byKey) {
      const row = rows.get(oid);
      if (row && isOverflowed(row)) overflowed++;
      if (!this.#isEqual(found, row)) differing.push(this.#seen({ oid, id: copied(found.id) }, found, row));
    }
    return { differing, overflowed };
  }

  /** Rows, of these keys, that have no document. Keys that do not tell an `_id` are left to {@linkcode extraAmong}. */
  async extra(oids: readonly string[]): Promise<{ differing: readonly Seen[]; unclear: readonly string[] }> {
    const { namespace, reader, shardKey } = this.#deps;
    const keys = oids.map((oid) => rowKeyOf(oid, shardKey));
    const there = await reader.keysOf(namespace, idsOf(keys), shardKey);
    return {
      differing: await this.#extra(keys.filter(({ oid, id }) => id !== undefined && !there.has(oid))),
      unclear: [...oidsWithoutId(keys)],
    };
  }

  /** The same for keys that do not tell an `_id`. All documents are read for them. */
  async extraAmong(oids: readonly string[]): Promise<readonly Seen[]> {
    const keys = oids.map((oid) => ({ oid, id: undefined }));
    const there = new Set(await this.#unclearThere(keys));
    return await this.#extra(keys.filter(({ oid }) => !there.has(oid)));
  }

  /** Rows, of these keys without documents, that are there. */
  async #extra(gone: readonly RowKey[]): Promise<readonly Seen[]> {
    const differing: Seen[] = [];
    for (let at = 0; at < gone.length; at += MAX_EXTRA_ROWS) {
      const keys = gone.slice(at, at + MAX_EXTRA_ROWS);
      const rows = await this.#deps.rows.rows(keys.map(({ oid }) => oid));
      for (const key of keys) {
        const row = rows.get(key.oid);
        if (row) differing.push(this.#seen(key, undefined, row));
      }
    }
    return differing;
  }

  /** How many rows of these keys have values that their columns do not take. */
  async overflowed(oids: readonly string[]): Promise<number> {
    await this.#deps.rows.refresh();
    let count = 0;
    for (let at = 0; at < oids.length; at += MAX_KEYS) {
      const rows = await this.#deps.rows.rows(oids.slice(at, at + MAX_KEYS));
      count += [...rows.values()].filter(isOverflowed).length;
    }
    return count;
  }

  /** Looks at these keys again. @returns those that differ */
  async look(keys: readonly RowKey[]): Promise<readonly Seen[]> {
    const { rows, deadLetters } = this.#deps;
    await rows.refresh();
    const differing: Seen[] = [];
    for (let at = 0; at < keys.length; at += MAX_KEYS) {
      differing.push(...await this.#look(keys.slice(at, at + MAX_KEYS)));
    }
    const dead = await deadLetters(differing.filter(({ kind }) => kind === "missing").map(({ oid }) => oid));
    return differing.map((each) => dead.has(each.oid) ? { ...each, kind: "dead letter" } : each);
  }

  async #look(keys: readonly RowKey[]): Promise<readonly Seen[]> {
    const { namespace, reader } = this.#deps;
    const left = new Map(keys.map((key) => [key.oid, key]));
    const differing: Seen[] = [];
    for await (const part of reader.lookUp(namespace, idsOf(keys))) {
      const found = part.filter((each) => isThere(each) && left.has(this.#keyOf(each)));
      for (const each of found) left.delete(this.#keyOf(each));
      differing.push(...(await this.compare(found)).differing);
    }
    // The document of a key that does not tell its `_id` was compared where it was read.
    for (const oid of await this.#unclearThere([...left.values()])) left.delete(oid);
    return [...differing, ...await this.#extra([...left.values()])];
  }

  /** Keys that do not tell their `_id`, and that a document has. All documents are read for them. */
  async #unclearThere(keys: readonly RowKey[]): Promise<readonly string[]> {
    const { namespace, reader, shardKey } = this.#deps;
    return await reader.keysAmong(namespace, oidsWithoutId(keys), shardKey);
  }

  #keyOf({ id, document }: LookedUp): string {
    return rowKeyText(id, document, this.#deps.shardKey);
  }

  #withoutOmitted(document: Uint8Array): Uint8Array {
    return withoutFields(document, this.#deps.omit);
  }

  #isEqual({ document }: LookedUp, row: StoredRow | undefined): boolean {
    if (!row || !document) return false;
    try {
      return isEqual(this.#withoutOmitted(document), row);
    } catch (error) {
      if (!(error instanceof UnstorableError)) throw error;
      return false;
    }
  }

  #seen(key: RowKey, found: LookedUp | undefined, row: StoredRow | undefined): Seen {
    const document = found && this.#textOf(found);
    const rowText = row && normalizeRow(row.data, row.overflow);
    const isBoth = document !== undefined && rowText !== undefined;
    return {
      key,
      oid: key.oid,
      kind: isBoth ? "different" : found ? "missing" : "extra",
      paths: isBoth ? pathDifferences(document, rowText) : [],
      document: fingerprint(document),
      row: fingerprint(rowText),
      isOverflowed: row !== undefined && isOverflowed(row),
    };
  }

  /** Normalized JSON; of a document that no row can hold, why. */
  #textOf({ document, refusal }: LookedUp): string {
    if (document === null) return JSON.stringify(refusal ?? null);
    try {
      return normalizeDocument(this.#withoutOmitted(document));
    } catch (error) {
      if (!(error instanceof UnstorableError)) throw error;
      return JSON.stringify(error.message);
    }
  }
}

/** The key alone, without the reply that it was in. */
const copied = (id: BsonValue): BsonValue | undefined => fieldsByName(idDocument(id)).get("_id");

const fingerprint = (text: string | undefined): string | null =>
  text === undefined ? null : createHash("sha256").update(text).digest("base64");
