/** Compares documents of a collection with rows of its table. */
import { createHash } from "node:crypto";
import { type BsonValue, fieldsByName } from "../bson/bson.ts";
import { UnstorableError } from "../util/errors.ts";
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
import { grouped } from "../util/grouped.ts";
import type { Namespace } from "../util/namespace.ts";
import type { StoredRow } from "../mapping/split_document.ts";
import type { RowReader } from "../sink/table/row_reader.ts";
import { isThere, type LookedUp } from "../source/documents/chunk.ts";
import type { DocumentReader } from "../source/documents/documents.ts";
import { isEqual, isOverflowed, pathDifferences } from "./compare.ts";
import type { Seen } from "./settle.ts";

interface BothSidesDeps {
  readonly namespace: Namespace;
  readonly reader: Pick<DocumentReader, "lookUp" | "keysOf" | "keysAmong">;
  readonly rows: Pick<RowReader, "rows" | "refresh">;
  /** Which of these keys have dead letters. */
  readonly deadLetters: (oids: readonly string[]) => Promise<ReadonlySet<string>>;
  /** Fields of the row key besides `_id`. */
  readonly shardKey: ShardKey;
  /** Paths of fields that the relay removes. */
  readonly omit: readonly string[];
}

/** Keys per statement. */
export const MAX_KEYS = 2_500;
/** Rows per statement if their size is unknown. */
const MAX_EXTRA_ROWS = 100;

export class BothSides {
  readonly #deps: BothSidesDeps;

  constructor(deps: BothSidesDeps) {
    this.#deps = deps;
  }

  /** Compares documents with their rows, and counts rows with values in `overflow`. */
  async compare(
    documents: readonly LookedUp[],
  ): Promise<{ readonly differing: readonly Seen[]; readonly overflowed: number }> {
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

  /** Rows of these keys without documents. Returns keys without a readable `_id` for {@linkcode extraAmong}. */
  async extra(oids: readonly string[]): Promise<{ differing: readonly Seen[]; unclear: readonly string[] }> {
    const { namespace, reader, shardKey } = this.#deps;
    const keys = oids.map((oid) => rowKeyOf(oid, shardKey));
    const existing = await reader.keysOf(namespace, idsOf(keys), shardKey);
    const deleted = keys.filter(({ oid, id }) => id !== undefined && !existing.has(oid));
    return { differing: await this.#extra(deleted), unclear: [...oidsWithoutId(keys)] };
  }

  /** The same for keys without a readable `_id`. Reads all documents. */
  async extraAmong(oids: readonly string[]): Promise<readonly Seen[]> {
    const keys = new Map(oids.map((oid) => [oid, { oid, id: undefined }]));
    return await this.#extra(await this.#withoutDocument(keys));
  }

  async #extra(deleted: readonly RowKey[]): Promise<readonly Seen[]> {
    const differing: Seen[] = [];
    for (const keys of grouped(deleted, { count: MAX_EXTRA_ROWS })) {
      const rows = await this.#deps.rows.rows(keys.map(({ oid }) => oid));
      for (const key of keys) {
        const row = rows.get(key.oid);
        if (row) differing.push(this.#seen(key, undefined, row));
      }
    }
    return differing;
  }

  /** Counts the rows of these keys that have overflow. */
  async overflowed(oids: readonly string[]): Promise<number> {
    await this.#deps.rows.refresh();
    let count = 0;
    for (const group of grouped(oids, { count: MAX_KEYS })) {
      count += (await this.#deps.rows.rows(group)).values().filter(isOverflowed).toArray().length;
    }
    return count;
  }

  /** Compares these keys again. Returns those that differ. */
  async look(keys: readonly RowKey[]): Promise<readonly Seen[]> {
    const { rows, deadLetters } = this.#deps;
    await rows.refresh();
    const differing: Seen[] = [];
    for (const group of grouped(keys, { count: MAX_KEYS })) differing.push(...await this.#look(group));
    const dead = await deadLetters(differing.filter(({ kind }) => kind === "missing").map(({ oid }) => oid));
    return differing.map((each) => dead.has(each.oid) ? { ...each, kind: "dead letter" } : each);
  }

  async #look(keys: readonly RowKey[]): Promise<readonly Seen[]> {
    const { namespace, reader } = this.#deps;
    const left = new Map(keys.map((key) => [key.oid, key]));
    const differing: Seen[] = [];
    for await (const part of reader.lookUp(namespace, idsOf(keys))) {
      const found = part.filter((each) => isThere(each) && left.delete(this.#keyOf(each)));
      differing.push(...(await this.compare(found)).differing);
    }
    // Documents of keys without a readable `_id` were compared when they were scanned.
    return [...differing, ...await this.#extra(await this.#withoutDocument(left))];
  }

  /** Removes keys without a readable `_id` that a document has. Reads all documents. */
  async #withoutDocument(keys: Map<string, RowKey>): Promise<readonly RowKey[]> {
    const { namespace, reader, shardKey } = this.#deps;
    const unclear = oidsWithoutId([...keys.values()]);
    for (const oid of await reader.keysAmong(namespace, unclear, shardKey)) keys.delete(oid);
    return [...keys.values()];
  }

  #keyOf({ id, document }: LookedUp): string {
    return rowKeyText(id, document, this.#deps.shardKey);
  }

  #isEqual({ document }: LookedUp, row: StoredRow | undefined): boolean {
    if (!row || !document) return false;
    try {
      return isEqual(withoutFields(document, this.#deps.omit), row);
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

  /** Normalized JSON; for a document that no row can hold, the reason. */
  #textOf({ document, refusal }: LookedUp): string {
    if (document === null) return JSON.stringify(refusal ?? null);
    try {
      return normalizeDocument(withoutFields(document, this.#deps.omit));
    } catch (error) {
      if (!(error instanceof UnstorableError)) throw error;
      return JSON.stringify(error.message);
    }
  }
}

/** Copies the key, so that the reply can be freed. */
const copied = (id: BsonValue): BsonValue | undefined => fieldsByName(idDocument(id)).get("_id");

const fingerprint = (text: string | undefined): string | null =>
  text === undefined ? null : createHash("sha256").update(text).digest("base64");
