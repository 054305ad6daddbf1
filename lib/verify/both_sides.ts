/** Compares documents of a collection with rows of its table. */
import { createHash } from "node:crypto";
import { type BsonValue, fieldsByName } from "../bson/bson.ts";
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
import { firstKeptNow, isExpired, type Part, partOf, unfitPart } from "../mapping/partition.ts";
import type { CollectionSettings } from "../pipeline/settings.ts";
import type { FoundRow } from "../sink/table/row_reader.ts";
import { isThere, type LookedUp } from "../source/documents/chunk.ts";
import { UnstorableError } from "../util/errors.ts";
import { grouped } from "../util/grouped.ts";
import { type Collection, MAX_KEYS } from "./collection.ts";
import { isEqual, isOverflowed, pathDifferences } from "./compare.ts";
import type { PathDifference } from "./result.ts";
import type { Seen } from "./settle.ts";

/** Copies of a document that is compared: its row as it arrives, as text, and the JSON of both. */
const COPIES = 4;
/** Rows per statement if their size is unknown. */
const MAX_EXTRA_ROWS = 100;

export type BothSides = ReturnType<typeof bothSides>;

/** The comparisons of a collection. `shardKey` has the fields of the row key besides `_id`. */
export function bothSides(collection: Collection, shardKey: ShardKey) {
  const { namespace, reader, rows: table, deadLetters, own, clock, memory } = collection;

  const keyOf = ({ id, document }: LookedUp): string => rowKeyText(id, document, shardKey);
  /** Those that do not belong in a partition that has expired. */
  const kept = (documents: readonly LookedUp[]): readonly LookedUp[] => {
    const first = firstKeptNow(own, clock.now());
    if (first === -Infinity) return documents;
    return documents.filter((each) => !isExpired(partIn(each, own), first));
  };

  /** Compares documents with their rows, and counts rows with values in `overflow`. */
  async function compare(documents: readonly LookedUp[]) {
    const bytes = documents.reduce((sum, { document }) => sum + (document?.length ?? 0), 0);
    return await memory.inFlight.run(async () => {
      const byKey = new Map(kept(documents).map((each) => [keyOf(each), each]));
      memory.garbage.makeRoom(COPIES * bytes);
      const rows = await table.rows([...byKey.keys()]);
      memory.garbage.makeRoom(COPIES * bytes);
      return differencesIn(byKey, rows);
    }, bytes);
  }

  function differencesIn(byKey: ReadonlyMap<string, LookedUp>, rows: ReadonlyMap<string, FoundRow>) {
    const differing: Seen[] = [];
    let overflowed = 0;
    for (const [oid, found] of byKey) {
      const row = rows.get(oid);
      if (row && isOverflowed(row)) overflowed++;
      if (isSame(found, row, own)) continue;
      differing.push(seenOf({ oid, id: copied(found.id) }, found, row, own));
    }
    return { differing, overflowed };
  }

  /** Rows of these keys without documents. Returns keys without a readable `_id` for {@linkcode extraAmong}. */
  async function extra(oids: readonly string[]) {
    const keys = oids.map((oid) => rowKeyOf(oid, shardKey));
    const existing = await reader.keysOf(namespace, idsOf(keys), shardKey);
    const deleted = keys.filter(({ oid, id }) => id !== undefined && !existing.has(oid));
    return { differing: await rowsOf(deleted), unclear: [...oidsWithoutId(keys)] };
  }

  /** The same for keys without a readable `_id`. Reads all documents. */
  const extraAmong = async (oids: readonly string[]): Promise<readonly Seen[]> =>
    await rowsOf(await withoutDocument(oids.map((oid) => ({ oid, id: undefined }))));

  async function rowsOf(deleted: readonly RowKey[]): Promise<readonly Seen[]> {
    const differing: Seen[] = [];
    if (own.deletes === "keep") return differing;
    for (const keys of grouped(deleted, { count: MAX_EXTRA_ROWS })) {
      const rows = await table.rows(keys.map(({ oid }) => oid));
      for (const key of keys) {
        const row = rows.get(key.oid);
        if (row) differing.push(seenOf(key, undefined, row, own));
      }
    }
    return differing;
  }

  async function overflowed(oids: readonly string[]): Promise<number> {
    await table.refresh();
    let count = 0;
    for (const group of grouped(oids, { count: MAX_EXTRA_ROWS })) {
      count += (await table.rows(group)).values().filter(isOverflowed).toArray().length;
    }
    return count;
  }

  /** Compares these keys again. Returns those that differ. */
  async function look(keys: readonly RowKey[]): Promise<readonly Seen[]> {
    await table.refresh();
    const differing: Seen[] = [];
    for (const group of grouped(keys, { count: MAX_KEYS })) differing.push(...await lookAt(group));
    const missing = differing.filter(({ kind }) => kind === "missing").map(({ oid }) => oid);
    const dead = await deadLetters.among(missing);
    return differing.map((each) => dead.has(each.oid) ? { ...each, kind: "dead letter" } : each);
  }

  async function lookAt(keys: readonly RowKey[]): Promise<readonly Seen[]> {
    const left = new Map(keys.map((key) => [key.oid, key]));
    const differing: Seen[] = [];
    for await (const part of reader.lookUp(namespace, idsOf(keys))) {
      const found = kept(part).filter((each) => isThere(each) && left.delete(keyOf(each)));
      differing.push(...(await compare(found)).differing);
    }
    // Documents of keys without a readable `_id` were compared when they were scanned.
    return [...differing, ...await rowsOf(await withoutDocument([...left.values()]))];
  }

  /** Removes keys without a readable `_id` that a document has. Reads all documents. */
  async function withoutDocument(keys: readonly RowKey[]): Promise<readonly RowKey[]> {
    const existing = new Set(await reader.keysAmong(namespace, oidsWithoutId(keys), shardKey));
    return keys.filter(({ oid }) => !existing.has(oid));
  }

  return { compare, extra, extraAmong, overflowed, look };
}

type Own = Pick<CollectionSettings, "omit" | "partitionBy">;

/** The partition that a value of the document names. */
const partIn = ({ document }: LookedUp, { partitionBy, omit }: Own): Part | undefined =>
  partitionBy && document ? partOf(withoutFields(document, omit), partitionBy) : undefined;

/** In which partitions the row of a document should be. */
const partsOf = (found: LookedUp, own: Own): readonly Part[] =>
  own.partitionBy && found.document ? [partIn(found, own) ?? unfitPart(own.partitionBy)] : [];

const isSame = (found: LookedUp, row: FoundRow | undefined, own: Own): boolean => {
  const { document } = found;
  return row !== undefined && document !== null && String(partsOf(found, own)) === String(row.parts) &&
    unlessUnstorable(() => isEqual(withoutFields(document, own.omit), row), () => false);
};

/** Normalized JSON; for a document that no row can hold, the reason. */
const textOf = ({ document, refusal }: LookedUp, { omit }: Own): string =>
  document === null
    ? JSON.stringify(refusal ?? null)
    : unlessUnstorable(() => normalizeDocument(withoutFields(document, omit)), JSON.stringify);

function unlessUnstorable<T>(make: () => T, otherwise: (reason: string) => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof UnstorableError)) throw error;
    return otherwise(error.message);
  }
}

function seenOf(key: RowKey, found: LookedUp | undefined, stored: FoundRow | undefined, own: Own): Seen {
  const document = found && [partsOf(found, own).join(", "), textOf(found, own)] as const;
  const row = stored &&
    [
      stored.parts.join(", "),
      normalizeRow(stored.data, stored.overflow, found?.document ?? undefined),
    ] as const;
  return {
    key,
    oid: key.oid,
    kind: document && row ? "different" : row ? "extra" : "missing",
    paths: document && row ? differencesOf(document, row) : [],
    document: fingerprint(document?.join(" ")),
    row: fingerprint(row?.join(" ")),
    isOverflowed: stored !== undefined && isOverflowed(stored),
    isElsewhere: document?.[1] === row?.[1] && document?.[0] !== row?.[0] && !isHalfMoved(stored),
  };
}

const isHalfMoved = (row: FoundRow | undefined): boolean => row !== undefined && row.parts.length > 1;

type Side = readonly [parts: string, text: string];

const differencesOf = ([document, text]: Side, [row, textOfRow]: Side): PathDifference[] => [
  ...document === row ? [] : [{ path: "part", document: document || undefined, row: row || undefined }],
  ...pathDifferences(text, textOfRow),
];

/** Copies the key, so that the reply can be freed. */
const copied = (id: BsonValue): BsonValue | undefined => fieldsByName(idDocument(id)).get("_id");

const fingerprint = (text: string | undefined): string | null =>
  text === undefined ? null : createHash("sha256").update(text).digest("base64");
