/** Reads the current documents of collections, never older than what the change stream has shown. */
import type { Document } from "mongodb";
import { type BsonValue, fieldsByName } from "../../bson/bson.ts";
import { rowKeyText, type ShardKey } from "../../key/document_key.ts";
import { keyText } from "../../key/key_text.ts";
import { expressionOf } from "../../key/query_literal.ts";
import { type Logger, QUIET } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { CausalReader, KeyedDocument, PageOptions } from "../connection/causal_reader.ts";
import { hasCode, isTransformFailure, MongodbCode } from "../connection/mongodb_errors.ts";
import { type Chunk, chunkOf, isNamed, isThere, lastEnd, type LookedUp } from "./chunk.ts";
import { type KeyRange, WHOLE } from "./key_ranges.ts";
import { lookUp } from "./look_up.ts";
import { type CollectionPages, collectionPages, type DocumentSettings, KEY } from "./pages.ts";
import { recordChunk, recordPosition } from "./record_order.ts";
import { ALL_DOCUMENTS, type Share } from "./share.ts";
import { changesId } from "./transform.ts";

export interface ReaderOptions {
  readonly for: (namespace: Namespace) => DocumentSettings;
  /** The maximum number of documents in a chunk. */
  readonly size: number;
  readonly replyBytes?: number;
  readonly share?: Pick<Share, "condition">;
  readonly log?: Logger;
}

/** Its methods may run concurrently. */
export class DocumentReader {
  readonly #pages = new Map<string, CollectionPages>();

  constructor(private readonly causalReader: CausalReader, private readonly options: ReaderOptions) {}

  /**
   * The first documents of a range, in the order of `_id` across all BSON types: `$expr` compares like the index, while a
   * plain `$gt` finds only values of one type. Or in the order of records, if the range starts at a position in it.
   * @throws UserError if the transform removes or changes `_id`
   */
  async chunk(
    namespace: Namespace,
    range: KeyRange,
    options: { readonly atMost?: number } = {},
  ): Promise<Chunk> {
    const pages = this.#pagesOf(namespace);
    const { transform } = pages;
    const size = Math.min(this.options.size, options.atMost ?? Infinity, pages.size.documents);
    const position = recordPosition(range.after);
    if (position) {
      const find = { filter: this.#within(null, undefined), size, log: this.options.log ?? QUIET };
      const chunk = await recordChunk(this.causalReader, pages, position, find);
      return chunk ?? await this.chunk(namespace, WHOLE, options);
    }
    const find = {
      filter: this.#within(range.after, idExpression(range.upTo)),
      ...transform.length > 0 && { projection: KEY },
    };
    const chunk = await keyOrderedChunk(pages, find, { size, start: range.after });
    const end = chunk.documents.at(-1);
    if (transform.length === 0 || !end) return chunk;
    const filter = this.#within(range.after, expressionOf(end.id) ?? idExpression(range.upTo));
    try {
      return await transformed(pages, chunk, filter);
    } catch (error) {
      if (!isTransformFailure(error)) throw error;
      const parts = await Array.fromAsync(lookUp(pages, chunk.documents.map(({ id }) => id)));
      return { ...chunk, documents: parts.flat().filter(isThere) };
    }
  }

  /**
   * The keys of the first documents after a key that match a query, without their contents.
   * @throws MongoServerError for a query that MongoDB refuses, or that takes longer than the limit, which then rises
   */
  keysMatching(
    namespace: Namespace,
    query: Document,
    { after, atMost }: { readonly after: Uint8Array | null; readonly atMost: number },
  ): Promise<Chunk> {
    const find = { filter: { $and: [query, this.#within(after, undefined)] }, projection: KEY };
    return keyOrderedChunk(this.#pagesOf(namespace), find, {
      size: atMost,
      start: after,
      hint: null,
      isAnswer: (error) => hasCode(error, MongodbCode.MaxTimeMSExpired),
    });
  }

  /** @throws MongoServerError for a query that MongoDB refuses, even of an empty collection */
  async checkQuery(namespace: Namespace, query: Document): Promise<void> {
    await this.#pagesOf(namespace).find({ filter: { $and: [{ _id: { $in: [] } }, query] }, batchSize: 1 });
  }

  /** The current documents with these keys, transformed, in parts. Each key is returned once. */
  lookUp(namespace: Namespace, ids: readonly BsonValue[]): AsyncGenerator<LookedUp[]> {
    return lookUp(this.#pagesOf(namespace), ids);
  }

  /** The row keys of the documents with these `_id`s that match the filter. */
  async keysOf(
    namespace: Namespace,
    ids: readonly BsonValue[],
    shardKey: ShardKey = [],
  ): Promise<Set<string>> {
    const pages = this.#pagesOf(namespace);
    const keys = new Set<string>();
    for await (const part of lookUp(pages, ids, [...pages.transform, keysOnly(shardKey)])) {
      for (const { id, document } of part.filter(isThere)) keys.add(rowKeyText(id, document, shardKey));
    }
    return keys;
  }

  /** Those of these row keys that have a document. Scans the collection, for keys that no query can contain. */
  async keysAmong(
    namespace: Namespace,
    keys: ReadonlySet<string>,
    shardKey: ShardKey = [],
  ): Promise<string[]> {
    if (keys.size === 0) return [];
    const { transform, scan } = this.#pagesOf(namespace);
    const keyOf = ({ id, document }: KeyedDocument) => rowKeyText(id, document, shardKey);
    const found = await scan([...transform, keysOnly(shardKey)], (each) => keys.has(keyOf(each)));
    return found.map(keyOf);
  }

  /**
   * Checks the filter and the stages in MongoDB, without documents and with the first one of the collection, if it exists.
   * @throws MongoServerError for a filter or stage that MongoDB refuses; UserError if they remove or change `_id`
   */
  async check(namespace: Namespace): Promise<void> {
    const pages = this.#pagesOf(namespace);
    await pages.checkStages();
    if (!changesId(pages.transform)) return;
    const { documents } = await pages.outerKeys(1, 1);
    await Array.fromAsync(lookUp(pages, documents.filter(isNamed).map(({ id }) => id)));
  }

  #pagesOf(namespace: Namespace): CollectionPages {
    const name = namespaceText(namespace);
    let pages = this.#pages.get(name);
    if (!pages) {
      const settings = { ...this.options.for(namespace), replyBytes: this.options.replyBytes };
      this.#pages.set(name, pages = collectionPages(this.causalReader, namespace, settings));
    }
    return pages;
  }

  /** @example IN: {_id: 1}, 5 → OUT: {$expr: {$and: [{$gt: ["$_id", 1]}, {$lte: ["$_id", 5]}]}} */
  #within(after: Uint8Array | null, upTo: Document | undefined): Document {
    const start = idExpression(after);
    const conditions = [
      start && { $gt: ["$_id", start] },
      upTo && { $lte: ["$_id", upTo] },
      (this.options.share ?? ALL_DOCUMENTS).condition("$_id"),
    ].filter((each) => each !== undefined);
    return conditions.length > 0 ? { $expr: { $and: conditions } } : {};
  }
}

/** The first documents that a command finds, in the order of `_id`. With repeated keys, one more shows whether its key is the same. */
async function keyOrderedChunk(
  pages: CollectionPages,
  find: Document,
  { size, start, ...reading }: Pick<PageOptions, "hint" | "isAnswer"> & {
    readonly size: number;
    readonly start: Uint8Array | null;
  },
): Promise<Chunk> {
  const { idsRepeat } = pages;
  const limit = idsRepeat ? size + 1 : size;
  const command = { ...find, sort: KEY, batchSize: limit };
  const page = await pages.find({ ...command, limit }, { abortable: true, ...reading });
  if (!find.projection) pages.learn(page);
  const isEnd = page.exhausted && page.documents.length < limit;
  return chunkOf(page.documents, { isEnd, start, idsRepeat }) ??
    await longChunk(pages, command, { start, ...reading });
}

/** Reads on until the next chunk can start after a key. Keys that no query can contain are rare. */
async function longChunk(
  { find, idsRepeat }: CollectionPages,
  command: Document,
  { start, ...reading }: Pick<PageOptions, "hint" | "isAnswer"> & { readonly start: Uint8Array | null },
): Promise<Chunk> {
  const goesOn = (documents: readonly KeyedDocument[]) => lastEnd(documents, idsRepeat) < 0;
  const { documents, exhausted } = await find(command, { abortable: true, ...reading, goesOn });
  const chunk = chunkOf(documents, { isEnd: exhausted, start, idsRepeat });
  if (!chunk) throw new Error("A chunk without a key to continue after");
  return chunk;
}

/**
 * The documents of a chunk of keys, transformed, up to the size of a reply.
 * @param filter selects the range of the chunk, because a list of keys lacks those that no query can contain
 */
async function transformed(pages: CollectionPages, chunk: Chunk, filter: Document): Promise<Chunk> {
  const keys = chunk.documents.map(({ id }) => keyText(id));
  const wanted = new Set(keys);
  const reply = await pages.aggregate([{ $match: filter }, { $sort: KEY }, ...pages.transform], {
    abortable: true,
    goesOn: (documents) => !documents.some((each) => isNamed(each) && wanted.has(keyText(each.id))),
  });
  pages.learn(reply);
  const documents = await pages.withKeys(wanted, reply);
  if (reply.exhausted) return { ...chunk, documents };
  const part = chunkOf(documents, { isEnd: false, start: null, idsRepeat: false });
  const last = part?.documents.at(-1);
  if (!part || !last) throw new Error("A chunk without a key to continue after");
  return { ...part, seen: keys.indexOf(keyText(last.id)) + 1 };
}

/** The `_id` in BSON of `{_id}`, as an expression. */
function idExpression(key: Uint8Array | null): Document | undefined {
  const id = key && fieldsByName(key).get("_id");
  return id ? expressionOf(id) : undefined;
}

const keysOnly = (shardKey: ShardKey): Document => ({
  $project: Object.fromEntries(["_id", ...shardKey].map((path) => [path, 1])),
});
