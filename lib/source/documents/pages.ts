import type { Document } from "mongodb";
import { keyText } from "../../key/key_text.ts";
import { valueOf } from "../../key/query_literal.ts";
import { UserError } from "../../util/errors.ts";
import type { Namespace } from "../../util/namespace.ts";
import { PageSize } from "../connection/answer_limit.ts";
import type { CausalReader, KeyedDocument, Page, PageOptions } from "../connection/causal_reader.ts";
import { changesId } from "./transform.ts";

export const KEY = { _id: 1 } as const;

/** More documents than a reply of 16 MB can hold. */
const UNLIMITED_DOCUMENTS = 1_000_000;

/** The settings of a collection that concern its documents. */
export interface DocumentSettings {
  /** Stages that each document passes through; empty for none. */
  readonly transform: readonly Document[];
  /** The key of a row. With the document key, documents of a sharded collection may have equal `_id`s. */
  readonly key: "_id" | "documentKey";
}

export type CollectionPages = ReturnType<typeof collectionPages>;

export function collectionPages(
  reader: CausalReader,
  namespace: Namespace,
  { transform, key, replyBytes }: DocumentSettings & { readonly replyBytes: number | undefined },
) {
  /** Of the collection's documents, transformed. */
  const size = new PageSize(replyBytes);
  const find = (command: Document, options?: PageOptions): Promise<Page> =>
    reader.page(namespace, { find: namespace.collection, ...command }, options);
  const aggregate = (pipeline: readonly Document[], options?: PageOptions): Promise<Page> => {
    const cursor = { batchSize: UNLIMITED_DOCUMENTS };
    return reader.page(namespace, { aggregate: namespace.collection, pipeline, cursor }, options);
  };
  return {
    namespace,
    transform,
    /** Whether documents may have equal `_id`s. */
    idsRepeat: key === "documentKey",
    size,
    find,
    aggregate,

    scan: (pipeline: readonly Document[], isWanted: (document: KeyedDocument) => boolean) =>
      reader.scan(namespace, pipeline, isWanted),

    /** The first (order 1) or last (-1) keys of the collection, without the keys in `but`. */
    outerKeys(order: 1 | -1, count: number, but: readonly unknown[] = []): Promise<Page> {
      const filter = { _id: { $nin: but } };
      return find({ filter, sort: { _id: order }, projection: KEY, limit: count, batchSize: count });
    },

    /** @throws MongoServerError for a filter or stage that MongoDB refuses, even in an empty collection */
    checkStages: () => aggregate([{ $match: { _id: { $in: [] } } }, ...transform]),

    learn({ documents }: Page): void {
      size.read(documents.length, documents.reduce((sum, { document }) => sum + document.length, 0));
    },

    /**
     * The documents of a page with these keys. A document with another key is new, or equal under the collation; if it
     * does not exist in the collection, the pipeline changed its `_id`: a UserError.
     */
    async withKeys(keys: ReadonlySet<string>, { documents }: Page): Promise<KeyedDocument[]> {
      const isWanted = ({ id }: KeyedDocument) => keys.has(keyText(id)) ? "wanted" : "others";
      const { wanted = [], others = [] } = Object.groupBy(documents, isWanted);
      const values = others.map(({ id }) => valueOf(id)?.value).filter((value) => value !== undefined);
      if (values.length === 0 || !changesId(transform)) return wanted;
      const filter = { _id: { $in: values } };
      const existing = await find({ filter, projection: KEY, batchSize: values.length });
      if (existing.documents.length === values.length) return wanted;
      throw new UserError("The pipeline changes _id, which names the row.", { hint: "Keep _id unchanged." });
    },
  };
}
