/** A part of a range of a collection, in the order of its keys. */
import type { BsonValue } from "../../bson/bson.ts";
import { keyText } from "../../key/key_text.ts";
import { expressionOf, idDocument } from "../../key/query_literal.ts";
import type { KeyedDocument } from "../connection/causal_reader.ts";

/** The document with a key; null if there is none, none that matches the filter, or one that cannot be transformed. */
export interface LookedUp {
  readonly id: BsonValue;
  readonly document: Uint8Array | null;
  /** Why MongoDB cannot transform the document. */
  readonly refusal?: string;
}

export interface Chunk {
  readonly documents: readonly LookedUp[];
  /** BSON of `{_id}` of the last document read; where the range begins if there is none. */
  readonly last: Uint8Array | null;
  /** Whether the range has no more documents. */
  readonly done: boolean;
  /** Documents read, also those that the filter drops. */
  readonly seen: number;
}

/** Whether a query can name the key. */
export const isNamed = ({ id }: Pick<KeyedDocument, "id">): boolean => expressionOf(id) !== undefined;

/** Whether MongoDB has the document, and gives it or not. */
export const isThere = ({ document, refusal }: LookedUp): boolean =>
  document !== null || refusal !== undefined;

export interface End {
  /** Whether the range has no more documents. */
  readonly isEnd: boolean;
  /** Where the chunk begins. */
  readonly last: Uint8Array | null;
  /** Whether documents may have one `_id`. @default false */
  readonly idsRepeat?: boolean;
}

/**
 * A chunk of these documents, up to the last one after which the next chunk can start: a query can name its key, and the
 * document after it has another one.
 *
 * @returns undefined where there is none
 */
export function chunkOf(
  documents: readonly KeyedDocument[],
  { isEnd, last, idsRepeat = false }: End,
): Chunk | undefined {
  if (isEnd) {
    const named = documents.findLast(isNamed);
    return { documents, last: named ? idDocument(named.id) : last, seen: documents.length, done: true };
  }
  const at = lastEnd(documents, { idsRepeat });
  const end = documents[at];
  return end &&
    { documents: documents.slice(0, at + 1), last: idDocument(end.id), seen: at + 1, done: false };
}

/** Where in these documents a chunk can end at the latest; -1 for nowhere. */
export function lastEnd(
  documents: readonly KeyedDocument[],
  { idsRepeat = false }: Pick<End, "idsRepeat"> = {},
): number {
  const hasOtherAfter = (at: number): boolean => {
    const [one, next] = [documents[at], documents[at + 1]];
    return one !== undefined && next !== undefined && keyText(one.id) !== keyText(next.id);
  };
  return documents.findLastIndex((each, at) => isNamed(each) && (!idsRepeat || hasOtherAfter(at)));
}
