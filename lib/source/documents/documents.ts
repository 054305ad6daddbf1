/** Reads documents of a collection as they are now, never older than what the change stream has shown. */
import { type Document, MongoServerError } from "mongodb";
import { UserError } from "../../util/errors.ts";
import { type BsonValue, fieldsByName } from "../../bson/bson.ts";
import { rowKeyText, type ShardKey } from "../../key/document_key.ts";
import { keyText } from "../../key/key_text.ts";
import type { Worker } from "../../key/worker.ts";
import { expressionOf, valueOf } from "../../key/query_literal.ts";
import type { CausalReader, KeyedDocument, Page } from "../connection/causal_reader.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { type Chunk, chunkOf, isNamed, isThere, lastEnd, type LookedUp } from "./chunk.ts";
import type { KeyRange } from "./key_ranges.ts";
import { isTransformFailure } from "../connection/mongodb_errors.ts";
import { isOwn } from "./own_keys.ts";
import { PageSize } from "./page_size.ts";
import { type Asked, Refusals } from "./refusals.ts";
import { changesId } from "./transform.ts";

export interface ReaderOptions {
  readonly transform: readonly Document[];
  /** The most documents of one chunk. */
  readonly size: number;
  /** The most bytes that a reply should have. @default {4 MiB} */
  readonly replyBytes?: number;
  /** Whether documents of a sharded collection may have one `_id`. @default false */
  readonly idsRepeat?: boolean;
  /** The part of the documents that chunks have; undefined for all. */
  readonly worker?: Worker | undefined;
}

/** The most keys in one query. While its documents are written, the next ones are looked up. */
const MAX_KEYS = 2_500;
/** The most bytes of keys in one query. */
const MAX_KEY_BYTES = 2 ** 20;
/** Documents to try at each end of a collection. */
const OTHERS = 2;
/** More documents than a reply of 16 MB can hold. */
const UNLIMITED_DOCUMENTS = 1_000_000;
const KEY = { _id: 1 } as const;

/** Reads one page at a time. */
export class DocumentReader {
  readonly #causalReader: CausalReader;
  readonly #options: ReaderOptions;
  /** By the names of collections. */
  readonly #pageSizes = new Map<string, PageSize>();

  constructor(causalReader: CausalReader, options: ReaderOptions) {
    this.#causalReader = causalReader;
    this.#options = options;
  }

  /**
   * The first documents of a range, in the order of `_id` across all BSON types: `$expr` compares them as the index
   * does, a plain `$gt` only values of one type.
   *
   * @throws UserError when the transform takes or changes `_id`
   */
  async chunk(
    namespace: Namespace,
    range: KeyRange,
    { atMost = Infinity }: ChunkOptions = {},
  ): Promise<Chunk> {
    const { transform, idsRepeat = false } = this.#options;
    const pageSize = this.#pageSizeOf(namespace);
    const size = Math.min(this.#options.size, atMost, pageSize.documents);
    // One more tells whether it has the same key.
    const limit = idsRepeat ? size + 1 : size;
    const { after: last } = range;
    const bounds = { after: named(last), upTo: named(range.upTo), worker: this.#options.worker };
    const find = {
      find: namespace.collection,
      filter: within(bounds),
      sort: KEY,
      batchSize: limit,
      ...transform.length > 0 && { projection: KEY },
    };
    const page = await this.#causalReader.page(namespace, { ...find, limit }, { abortable: true });
    if (transform.length === 0) learn(pageSize, page);
    const isEnd = page.exhausted && page.documents.length < limit;
    // Keys that no query can name are very rare, and a chunk of nothing else even more.
    const chunk = chunkOf(page.documents, { isEnd, last, idsRepeat }) ??
      await this.#upToNextNamed(namespace, { find, last });
    const end = chunk.documents.at(-1);
    if (transform.length === 0 || !end) return chunk;
    try {
      const upTo = expressionOf(end.id) ?? bounds.upTo;
      return await this.#transformed(namespace, { bounds: { ...bounds, upTo }, chunk });
    } catch (error) {
      if (!isTransformFailure(error)) throw error;
      const parts = await Array.fromAsync(this.lookUp(namespace, chunk.documents.map(({ id }) => id)));
      return { ...chunk, documents: parts.flat().filter(isThere) };
    }
  }

  /** Reads on until the next chunk can start after a key. */
  async #upToNextNamed(
    namespace: Namespace,
    { find, last }: { readonly find: Document; readonly last: Uint8Array | null },
  ): Promise<Chunk> {
    const { documents, exhausted } = await this.#causalReader.page(namespace, find, {
      abortable: true,
      goesOn: (documents) => lastEnd(documents, this.#options) < 0,
    });
    const chunk = chunkOf(documents, { isEnd: exhausted, last, ...this.#options });
    if (!chunk) throw new Error("A chunk without a key to go on after");
    return chunk;
  }

  /**
   * The documents of a chunk, transformed, as many as a reply has room for. Asks for a range of keys, which also
   * includes keys that no query can name.
   */
  async #transformed(namespace: Namespace, { bounds, chunk }: BoundedChunk): Promise<Chunk> {
    const keys = chunk.documents.map(({ id }) => keyText(id));
    const asked = new Set(keys);
    const stages = [{ $match: within(bounds) }, { $sort: KEY }, ...this.#options.transform];
    const reply = await this.#causalReader.page(namespace, aggregate(namespace, stages), {
      abortable: true,
      goesOn: (documents) => !documents.some((each) => isNamed(each) && asked.has(keyText(each.id))),
    });
    learn(this.#pageSizeOf(namespace), reply);
    const documents = await this.#askedFor(namespace, asked, reply);
    if (reply.exhausted) return { ...chunk, documents };
    const part = chunkOf(documents, { isEnd: false, last: null });
    const last = part?.documents.at(-1);
    if (!part || !last) throw new Error("A chunk without a key to go on after");
    return { ...part, seen: keys.indexOf(keyText(last.id)) + 1 };
  }

  /**
   * The documents with these keys as they are now, transformed, in parts. Each key comes once.
   *
   * @throws UserError when the transform takes or changes `_id`
   */
  lookUp(namespace: Namespace, ids: readonly BsonValue[]): AsyncGenerator<LookedUp[]> {
    return this.#lookUp(namespace, ids, this.#options.transform);
  }

  /**
   * The keys that have a document which matches the filter.
   *
   * @param shardKey what rows are named by beside `_id`
   */
  async keysOf(
    namespace: Namespace,
    ids: readonly BsonValue[],
    shardKey: ShardKey = [],
  ): Promise<Set<string>> {
    const there = new Set<string>();
    const stages = [...this.#options.transform, keysOnly(shardKey)];
    for await (const part of this.#lookUp(namespace, ids, stages)) {
      for (const each of part) if (isThere(each)) there.add(rowKey(each, shardKey));
    }
    return there;
  }

  /** The same for keys that no query can name, by scanning all documents, if there are such keys. */
  async keysAmong(
    namespace: Namespace,
    keys: ReadonlySet<string>,
    shardKey: ShardKey = [],
  ): Promise<string[]> {
    if (keys.size === 0) return [];
    const stages = [...this.#options.transform, keysOnly(shardKey)];
    const found = await this.#causalReader.scan(
      namespace,
      stages,
      (each) => keys.has(rowKey(each, shardKey)),
    );
    return found.map((each) => rowKey(each, shardKey));
  }

  /**
   * Checks the filter and the stages in MongoDB, without documents and with the first one of the collection.
   *
   * @param namespace of a collection that need not exist
   * @throws MongoServerError for a filter or stage that MongoDB refuses; UserError when they take or change `_id`
   */
  async check(namespace: Namespace): Promise<void> {
    await this.#checkStages(namespace);
    if (!changesId(this.#options.transform)) return;
    const { documents } = await this.#firstKeys(namespace, { order: 1, count: 1 });
    const named = documents.filter(isNamed).map(({ id }) => id);
    await Array.fromAsync(this.lookUp(namespace, named));
  }

  async #checkStages(namespace: Namespace): Promise<void> {
    const nothing = { $match: { _id: { $in: [] } } };
    await this.#causalReader.page(namespace, aggregate(namespace, [nothing, ...this.#options.transform]));
  }

  /** The first or the last keys of a collection, less those that are named. */
  #firstKeys(
    { database, collection }: Namespace,
    { order, count, but = [] }: { order: 1 | -1; count: number; but?: readonly unknown[] },
  ): Promise<Page> {
    const find = { find: collection, filter: { _id: { $nin: but } }, sort: { _id: order }, projection: KEY };
    return this.#causalReader.page({ database, collection }, { ...find, limit: count, batchSize: count });
  }

  async *#lookUp(
    namespace: Namespace,
    ids: readonly BsonValue[],
    stages: readonly Document[],
  ): AsyncGenerator<LookedUp[]> {
    const asked = [...new Map(ids.map((id) => [keyText(id), id]))]
      .map(([key, id]) => ({ key, id, name: valueOf(id) }));
    const { named = [], unnamed = [] } = Object.groupBy(asked, ({ name }) => name ? "named" : "unnamed");
    const pageSize = this.#pageSizeOf(namespace);
    const refusals = new Refusals({
      check: () => this.#checkStages(namespace),
      areOthersFine: (keys) => this.#areOthersFine(namespace, keys),
      collection: namespaceText(namespace),
    });
    // The next keys are those of the last list, from `at` on.
    const waiting = [{ keys: named as readonly Asked[], at: 0 }];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { keys, at } = next;
      const end = groupEnd(keys, at, Math.min(MAX_KEYS, pageSize.documents));
      const group = keys.slice(at, end);
      if (end < keys.length) waiting.push({ keys, at: end });
      if (group.length === 0) continue;
      const reply = await this.#pageOf(namespace, group, stages);
      if (reply instanceof MongoServerError) {
        const [first, ...others] = group;
        if (first && others.length === 0) await refusals.add(first, reply);
        else for (const half of halves(group).reverse()) waiting.push({ keys: half, at: 0 });
        continue;
      }
      if (stages === this.#options.transform) learn(pageSize, reply);
      const found = this.#whole(await this.#askedFor(namespace, keySet(group), reply), reply);
      if (found.length > 0) refusals.passed();
      const missing = without(group, found);
      yield [...found, ...reply.exhausted ? missing.map(gone) : []];
      if (reply.exhausted) continue;
      // The reply holds only documents whose keys are equal under the collation.
      if (found.length === 0) unnamed.push(...missing);
      else waiting.push({ keys: missing, at: 0 });
    }
    yield refusals.documents;
    if (unnamed.length === 0) return;
    const found = await this.#scan(namespace, keySet(unnamed), stages);
    yield [...found, ...without(unnamed, found).map(gone)];
  }

  /** Whether MongoDB can transform a document at the ends of the collection, less those with these keys. */
  async #areOthersFine(namespace: Namespace, but: readonly unknown[]): Promise<boolean> {
    for (const order of [1, -1] as const) {
      const { documents } = await this.#firstKeys(namespace, { order, count: OTHERS, but });
      for (const { id } of documents) {
        const asked = { key: keyText(id), id, name: valueOf(id) };
        const reply = asked.name && await this.#pageOf(namespace, [asked], this.#options.transform);
        if (reply && !(reply instanceof MongoServerError)) return true;
      }
    }
    return false;
  }

  #pageSizeOf(namespace: Namespace): PageSize {
    const name = namespaceText(namespace);
    let size = this.#pageSizes.get(name);
    if (!size) this.#pageSizes.set(name, size = new PageSize(this.#options.replyBytes));
    return size;
  }

  /** The documents of a reply, less those of its last key if there may be more of them. */
  #whole(found: readonly KeyedDocument[], { exhausted }: Page): readonly KeyedDocument[] {
    const { idsRepeat = false } = this.#options;
    return exhausted || !idsRepeat ? found : found.slice(0, lastEnd(found, { idsRepeat }) + 1);
  }

  /** @returns the error where it may be one of the documents that cannot be transformed */
  async #pageOf(
    namespace: Namespace,
    asked: readonly Asked[],
    stages: readonly Document[],
  ): Promise<Page | MongoServerError> {
    const { idsRepeat } = this.#options;
    const match = { $match: { _id: { $in: asked.map(({ name }) => name?.value) } } };
    const pipeline = [match, ...idsRepeat ? [{ $sort: KEY }] : [], ...stages];
    try {
      return await this.#causalReader.page(namespace, aggregate(namespace, pipeline), {
        goesOn: (documents) => idsRepeat === true && lastEnd(documents, { idsRepeat }) < 0,
      });
    } catch (error) {
      if (asked.length === 0 || this.#options.transform.length === 0 || !isTransformFailure(error)) {
        throw error;
      }
      return error;
    }
  }

  /** Documents with these keys, by scanning all documents. */
  #scan(
    namespace: Namespace,
    keys: ReadonlySet<string>,
    stages: readonly Document[],
  ): Promise<KeyedDocument[]> {
    return this.#causalReader.scan(namespace, stages, ({ id }) => keys.has(keyText(id)));
  }

  /**
   * Keeps only the requested keys. A document with another key is new, or equal under the collation; if it does not exist
   * in the collection, the pipeline must have changed `_id`.
   *
   * @throws UserError
   */
  async #askedFor(
    namespace: Namespace,
    keys: ReadonlySet<string>,
    { documents }: Page,
  ): Promise<KeyedDocument[]> {
    const { asked = [], others = [] } = Object.groupBy(
      documents,
      ({ id }) => keys.has(keyText(id)) ? "asked" : "others",
    );
    const values = others.map(({ id }) => valueOf(id)?.value).filter((value) => value !== undefined);
    if (values.length === 0 || !changesId(this.#options.transform)) return asked;
    const there = await this.#causalReader.page(namespace, {
      find: namespace.collection,
      filter: { _id: { $in: values } },
      projection: KEY,
      batchSize: values.length,
    });
    if (there.documents.length === values.length) return asked;
    throw new UserError("The pipeline changes _id, which names the row.", { hint: "Leave _id as it is." });
  }
}

export interface ChunkOptions {
  /** Documents at most, if that is less than the reader's size. @default {Infinity} */
  readonly atMost?: number;
}

/** The ends of a range as expressions, undefined where it has none, and the worker whose documents are wanted. */
interface Bounds {
  readonly after: Document | undefined;
  readonly upTo: Document | undefined;
  readonly worker: Worker | undefined;
}

interface BoundedChunk {
  readonly bounds: Bounds;
  /** The chunk with documents that have only their keys. */
  readonly chunk: Chunk;
}

/** The key in a BSON of `{_id}`, as an expression. */
function named(key: Uint8Array | null): Document | undefined {
  const id = key && fieldsByName(key).get("_id");
  return id ? expressionOf(id) : undefined;
}

/** @example IN: {after: 1, upTo: 5} → OUT: {$expr: {$and: [{$gt: ["$_id", 1]}, {$lte: ["$_id", 5]}]}} */
function within({ after, upTo, worker }: Bounds): Document {
  const conditions = [
    ...after ? [{ $gt: ["$_id", after] }] : [],
    ...upTo ? [{ $lte: ["$_id", upTo] }] : [],
    ...worker ? [isOwn(worker, "$_id")] : [],
  ];
  return conditions.length > 0 ? { $expr: { $and: conditions } } : {};
}

const aggregate = ({ collection }: Namespace, pipeline: readonly Document[]): Document => ({
  aggregate: collection,
  pipeline,
  cursor: { batchSize: UNLIMITED_DOCUMENTS },
});

const learn = (size: PageSize, { documents }: Page): void =>
  size.read(documents.length, documents.reduce((sum, { document }) => sum + document.length, 0));

/** The end of the keys from `start` on that fit in a query, of `most` at most. */
function groupEnd(keys: readonly Asked[], start: number, most: number): number {
  let bytes = 0;
  let end = start;
  for (; end < keys.length && end - start < most; end++) {
    bytes += keys[end]?.id.length ?? 0;
    if (bytes > MAX_KEY_BYTES && end > start) break;
  }
  return end;
}

const keySet = (asked: readonly Asked[]): Set<string> => new Set(asked.map(({ key }) => key));

const keysOnly = (shardKey: ShardKey): Document => ({
  $project: Object.fromEntries(["_id", ...shardKey].map((path) => [path, 1])),
});

const rowKey = ({ id, document }: LookedUp, shardKey: ShardKey): string => rowKeyText(id, document, shardKey);

const halves = <T>(values: readonly T[]): [T[], T[]] => {
  const middle = Math.ceil(values.length / 2);
  return [values.slice(0, middle), values.slice(middle)];
};

const gone = ({ id }: Asked): LookedUp => ({ id, document: null });

function without(asked: readonly Asked[], found: readonly KeyedDocument[]): Asked[] {
  const keys = new Set(found.map(({ id }) => keyText(id)));
  return asked.filter(({ key }) => !keys.has(key));
}
