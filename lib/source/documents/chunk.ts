/** A chunk: consecutive documents of a range of a collection, in key order. */
import type { BsonValue } from "../../bson/bson.ts";
import { keyText } from "../../key/key_text.ts";
import { expressionOf, idDocument } from "../../key/query_literal.ts";
import type { KeyedDocument } from "../connection/causal_reader.ts";

export interface LookedUp {
  readonly id: BsonValue;
  /** Null if it does not exist, does not match the filter, or cannot be transformed. */
  readonly document: Uint8Array | null;
  /** Why MongoDB cannot transform the document. */
  readonly refusal?: string;
}

export interface Chunk {
  readonly documents: readonly LookedUp[];
  /** BSON of `{_id}` of the last document read, or the start of the range if it is empty. */
  readonly last: Uint8Array | null;
  /** Whether the range has no more documents. */
  readonly done: boolean;
  /** Documents read, including those that the filter excludes. */
  readonly seen: number;
}

/** Whether a query can contain the key. */
export const isNamed = ({ id }: Pick<KeyedDocument, "id">): boolean => expressionOf(id) !== undefined;

/** Whether the document exists and matches the filter, even if it cannot be transformed. */
export const isThere = ({ document, refusal }: LookedUp): boolean =>
  document !== null || refusal !== undefined;

/**
 * A chunk of these documents, up to the last one after which the next chunk can start: a query can contain its key, and
 * the next document has another key. Undefined if no document qualifies.
 * @param options `isEnd`: the range has no more documents; `start`: of the chunk; `idsRepeat`: documents may have equal
 *   `_id`s
 */
export function chunkOf(
  documents: readonly KeyedDocument[],
  { isEnd, start, idsRepeat }: {
    readonly isEnd: boolean;
    readonly start: Uint8Array | null;
    readonly idsRepeat: boolean;
  },
): Chunk | undefined {
  const at = isEnd ? documents.findLastIndex(isNamed) : lastEnd(documents, idsRepeat);
  const end = documents[at];
  if (!end && !isEnd) return undefined;
  const seen = isEnd ? documents.length : at + 1;
  return { documents: documents.slice(0, seen), last: end ? idDocument(end.id) : start, seen, done: isEnd };
}

/** The index of the last document that can end a chunk; -1 for none. */
export function lastEnd(documents: readonly KeyedDocument[], idsRepeat: boolean): number {
  const isBeforeOther = ({ id }: KeyedDocument, next: KeyedDocument | undefined): boolean =>
    next !== undefined && keyText(id) !== keyText(next.id);
  return documents.findLastIndex((each, at) =>
    isNamed(each) && (!idsRepeat || isBeforeOther(each, documents[at + 1]))
  );
}
