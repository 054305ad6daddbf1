/** Reads documents of a collection as they are now, never older than what the change stream has shown. */
import type { Document } from "mongodb";
import { UserError } from "../util/errors.ts";
import { type BsonValue, fieldsByName } from "../bson/bson.ts";
import { keyText } from "../key/key_text.ts";
import { expressionOf, idDocument, valueOf } from "../key/query_literal.ts";
import type { CausalReader, KeyedDocument, Page } from "./causal_reader.ts";
import type { Namespace } from "../namespace.ts";
import { changesId } from "./transform.ts";

/** The document with a key; null if there is none, or none that matches the filter. */
export interface LookedUp {
  readonly id: BsonValue;
  readonly document: Uint8Array | null;
}

export interface Chunk {
  readonly documents: readonly KeyedDocument[];
  /** BSON of `{_id}` of the last document read; null for an empty collection. */
  readonly last: Uint8Array | null;
  /** Whether the collection has no more documents. */
  readonly done: boolean;
  /** Documents read, also those that the filter drops. */
  readonly seen: number;
}

export interface ReaderOptions {
  readonly transform: readonly Document[];
  /** The most documents of one chunk. */
  readonly size: number;
}

/** The most bytes of keys in one query. */
const MAX_KEY_BYTES = 2 ** 20;
/** More documents than a reply of 16 MB can hold. */
const UNLIMITED_DOCUMENTS = 1_000_000;
const KEY = { _id: 1 } as const;

/** Reads one page at a time. */
export class DocumentReader {
  readonly #causalReader: CausalReader;
  readonly #options: ReaderOptions;

  constructor(causalReader: CausalReader, options: ReaderOptions) {
    this.#causalReader = causalReader;
    this.#options = options;
  }

  /**
   * The documents after `last`, in the order of `_id` across all BSON types: `$expr` compares them as the index
   * does, a plain `$gt` only values of one type.
   *
   * @throws UserError when the transform takes or changes `_id`
   */
  async chunk(namespace: Namespace, last: Uint8Array | null): Promise<Chunk> {
    const { transform, size } = this.#options;
    const id = last && fieldsByName(last).get("_id");
    const after = id && expressionOf(id);
    for (let batchSize = size;; batchSize *= 2) {
      const { documents: found, exhausted } = await this.#causalReader.page(namespace, {
        find: namespace.collection,
        filter: after ? { $expr: { $gt: ["$_id", after] } } : {},
        sort: KEY,
        batchSize,
        limit: batchSize,
        ...transform.length > 0 && { projection: KEY },
      }, { abortable: true });
      const end = found.at(-1);
      const done = exhausted && found.length < batchSize;
      // The next chunk cannot start after a key that no query can name. Such keys are very rare.
      if (end && !done && !expressionOf(end.id)) {
        if (found.length === batchSize) continue;
        throw nowhereAfter(end.id);
      }
      const chunk = { documents: found, last: end ? idDocument(end.id) : last, seen: found.length, done };
      return transform.length > 0 && end
        ? await this.#transformed(namespace, { after, end: end.id, chunk })
        : chunk;
    }
  }

  /**
   * The first documents of a chunk, transformed, as many as a reply has room for. Asks for a range of keys, which also
   * includes keys that no query can name.
   */
  async #transformed(namespace: Namespace, { after, end, chunk }: KeyRange): Promise<Chunk> {
    const upTo = expressionOf(end);
    const range = [...after ? [{ $gt: ["$_id", after] }] : [], ...upTo ? [{ $lte: ["$_id", upTo] }] : []];
    const keys = chunk.documents.map(({ id }) => keyText(id));
    const stages = [{ $match: { $expr: { $and: range } } }, { $sort: KEY }, ...this.#options.transform];
    const reply = await this.#causalReader.page(namespace, aggregate(namespace, stages), { abortable: true });
    const documents = await this.#askedFor(namespace, new Set(keys), reply);
    if (reply.exhausted) return { ...chunk, documents };
    const last = documents.findLast(({ id }) => expressionOf(id));
    if (!last) throw nowhereAfter(end);
    return {
      documents: documents.slice(0, documents.indexOf(last) + 1),
      last: idDocument(last.id),
      seen: keys.indexOf(keyText(last.id)) + 1,
      done: false,
    };
  }

  /**
   * The documents with these keys as they are now, transformed, in parts. Each key comes once.
   *
   * @throws UserError when the transform takes or changes `_id`
   */
  lookUp(namespace: Namespace, ids: readonly BsonValue[]): AsyncGenerator<LookedUp[]> {
    return this.#lookUp(namespace, ids, this.#options.transform);
  }

  /** The keys that have a document which matches the filter. */
  async keysOf(namespace: Namespace, ids: readonly BsonValue[]): Promise<Set<string>> {
    const there = new Set<string>();
    for await (const part of this.#lookUp(namespace, ids, [...this.#options.transform, { $project: KEY }])) {
      for (const { id, document } of part) if (document) there.add(keyText(id));
    }
    return there;
  }

  /** The same for keys that no query can name, by scanning all documents. */
  async keysAmong(namespace: Namespace, keys: ReadonlySet<string>): Promise<string[]> {
    const found = await this.#scan(namespace, keys, [...this.#options.transform, { $project: KEY }]);
    return found.map(({ id }) => keyText(id));
  }

  /** @throws MongoServerError for a filter or stage that MongoDB refuses */
  async check(namespace: Namespace): Promise<void> {
    await this.#causalReader.page(
      namespace,
      aggregate(namespace, [{ $match: { _id: { $in: [] } } }, ...this.#options.transform]),
    );
  }

  async *#lookUp(
    namespace: Namespace,
    ids: readonly BsonValue[],
    stages: readonly Document[],
  ): AsyncGenerator<LookedUp[]> {
    const asked = [...new Map(ids.map((id) => [keyText(id), id]))]
      .map(([key, id]) => ({ key, id, name: valueOf(id) }));
    const { named = [], unnamed = [] } = Object.groupBy(asked, ({ name }) => name ? "named" : "unnamed");
    for (const group of byBytes(named)) {
      for (let rest = group; rest.length > 0;) {
        const values = rest.map(({ name }) => name?.value);
        const pipeline = [{ $match: { _id: { $in: values } } }, ...stages];
        const reply = await this.#causalReader.page(namespace, aggregate(namespace, pipeline));
        const found = await this.#askedFor(namespace, keySet(rest), reply);
        const missing = without(rest, found);
        yield reply.exhausted ? [...found, ...missing.map(gone)] : found;
        // The reply holds only documents whose keys are equal under the collation.
        const stuck = !reply.exhausted && found.length === 0;
        if (stuck) unnamed.push(...missing);
        rest = reply.exhausted || stuck ? [] : missing;
      }
    }
    if (unnamed.length === 0) return;
    const found = await this.#scan(namespace, keySet(unnamed), stages);
    yield [...found, ...without(unnamed, found).map(gone)];
  }

  /** Documents with these keys, by scanning all documents. */
  #scan(
    namespace: Namespace,
    keys: ReadonlySet<string>,
    stages: readonly Document[],
  ): Promise<KeyedDocument[]> {
    return this.#causalReader.scan(namespace, stages, (id) => keys.has(keyText(id)));
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

interface KeyRange {
  /** The key before the range, as an expression; undefined at the start of the collection. */
  readonly after: Document | null | undefined;
  readonly end: BsonValue;
  /** The chunk with documents that have only their keys. */
  readonly chunk: Chunk;
}

/** A key to look up. `name` is its literal in a query, if it has one. */
interface Asked {
  readonly key: string;
  readonly id: BsonValue;
  readonly name: { readonly value: unknown } | undefined;
}

const aggregate = ({ collection }: Namespace, pipeline: readonly Document[]): Document => ({
  aggregate: collection,
  pipeline,
  cursor: { batchSize: UNLIMITED_DOCUMENTS },
});

/** Groups keys so that each group fits in a query. */
function* byBytes(keys: readonly Asked[]): Generator<readonly Asked[]> {
  let group: Asked[] = [];
  let bytes = 0;
  for (const key of keys) {
    if (bytes + key.id.length > MAX_KEY_BYTES) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(key);
    bytes += key.id.length;
  }
  yield group;
}

const keySet = (asked: readonly Asked[]): Set<string> => new Set(asked.map(({ key }) => key));

const gone = ({ id }: Asked): LookedUp => ({ id, document: null });

function without(asked: readonly Asked[], found: readonly KeyedDocument[]): Asked[] {
  const keys = new Set(found.map(({ id }) => keyText(id)));
  return asked.filter(({ key }) => !keys.has(key));
}

const nowhereAfter = (id: BsonValue): UserError =>
  new UserError(`The snapshot cannot go on after this key: ${keyText(id)}`, {
    hint: "No driver can name it in a query. Give the document another _id, or leave the collection out.",
  });
