/** A part of a collection, in the order of its keys. */
import type { BsonValue } from "../bson/bson.ts";
import { expressionOf, idDocument } from "../key/query_literal.ts";
import type { KeyedDocument } from "./causal_reader.ts";

/** The document with a key; null if there is none, none that matches the filter, or one that cannot be transformed. */
export interface LookedUp {
  readonly id: BsonValue;
  readonly document: Uint8Array | null;
  /** Why MongoDB cannot transform the document. */
  readonly refusal?: string;
}

export interface Chunk {
  readonly documents: readonly LookedUp[];
  /** BSON of `{_id}` of the last document read; null for an empty collection. */
  readonly last: Uint8Array | null;
  /** Whether the collection has no more documents. */
  readonly done: boolean;
  /** Documents read, also those that the filter drops. */
  readonly seen: number;
}

export const isNamed = ({ id }: KeyedDocument): boolean => expressionOf(id) !== undefined;

/** Whether MongoDB has the document, and gives it or not. */
export const isThere = ({ document, refusal }: LookedUp): boolean =>
  document !== null || refusal !== undefined;

export interface End {
  /** Whether the collection has no more documents. */
  readonly isEnd: boolean;
  /** Where the chunk begins. */
  readonly last: Uint8Array | null;
}

/**
 * A chunk of these documents, up to the last one whose key a query can name: the next chunk starts after it.
 *
 * @returns undefined where there is none
 */
export function chunkOf(documents: readonly KeyedDocument[], { isEnd, last }: End): Chunk | undefined {
  const at = documents.findLastIndex(isNamed);
  const named = documents[at];
  const end = { last: named ? idDocument(named.id) : last };
  if (isEnd) return { ...end, documents, seen: documents.length, done: true };
  return named && { ...end, documents: documents.slice(0, at + 1), seen: at + 1, done: false };
}
