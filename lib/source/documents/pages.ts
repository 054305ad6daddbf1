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

export class CollectionPages {
  readonly namespace: Namespace;
  readonly transform: readonly Document[];
  /** Whether documents may have equal `_id`s. */
  readonly idsRepeat: boolean;
  /** The size of the collection's documents, transformed. */
  readonly size: PageSize;
  readonly #reader: CausalReader;

  constructor(
    reader: CausalReader,
    namespace: Namespace,
    { transform, key, replyBytes }: DocumentSettings & { readonly replyBytes: number | undefined },
  ) {
    this.#reader = reader;
    this.namespace = namespace;
    this.transform = transform;
    this.idsRepeat = key === "documentKey";
    this.size = new PageSize(replyBytes);
  }

  find(command: Document, options: PageOptions = {}): Promise<Page> {
    return this.#reader.page(this.namespace, { find: this.namespace.collection, ...command }, options);
  }

  aggregate(pipeline: readonly Document[], options: PageOptions = {}): Promise<Page> {
    const cursor = { batchSize: UNLIMITED_DOCUMENTS };
    const command = { aggregate: this.namespace.collection, pipeline, cursor };
    return this.#reader.page(this.namespace, command, options);
  }

  scan(
    pipeline: readonly Document[],
    isWanted: (document: KeyedDocument) => boolean,
  ): Promise<readonly KeyedDocument[]> {
    return this.#reader.scan(this.namespace, pipeline, isWanted);
  }

  /** The first (order 1) or last (-1) keys of the collection, without the keys in `but`. */
  outerKeys(order: 1 | -1, count: number, but: readonly unknown[] = []): Promise<Page> {
    const filter = { _id: { $nin: but } };
    return this.find({ filter, sort: { _id: order }, projection: KEY, limit: count, batchSize: count });
  }

  /** @throws MongoServerError for a filter or stage that MongoDB refuses, even in an empty collection */
  async checkStages(): Promise<void> {
    await this.aggregate([{ $match: { _id: { $in: [] } } }, ...this.transform]);
  }

  learn({ documents }: Page): void {
    this.size.read(documents.length, documents.reduce((sum, { document }) => sum + document.length, 0));
  }

  /**
   * The documents of a page with these keys. A document with another key is new, or equal under the collation; if it
   * does not exist in the collection, the pipeline changed its `_id`: a UserError.
   */
  async withKeys(keys: ReadonlySet<string>, { documents }: Page): Promise<KeyedDocument[]> {
    const { wanted = [], others = [] } = Object.groupBy(
      documents,
      ({ id }) => keys.has(keyText(id)) ? "wanted" : "others",
    );
    const values = others.map(({ id }) => valueOf(id)?.value).filter((value) => value !== undefined);
    if (values.length === 0 || !changesId(this.transform)) return wanted;
    const filter = { _id: { $in: values } };
    const existing = await this.find({ filter, projection: KEY, batchSize: values.length });
    if (existing.documents.length === values.length) return wanted;
    throw new UserError("The pipeline changes _id, which names the row.", { hint: "Keep _id unchanged." });
  }
}
