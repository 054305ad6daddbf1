/** Documents taken at random, for the first columns of a table. They are a help: without them, batches bring the columns. */
import type { Document, MongoServerError } from "mongodb";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Logger } from "../../util/log.ts";
import type { CausalReader } from "../connection/causal_reader.ts";
import { hasCode, isEventTooLarge, isRefusal, MongodbCode } from "../connection/mongodb_errors.ts";

const MAX_DOCUMENTS = 1_000;
/** What a sample may have. */
const MAX_BYTES = 4 * 2 ** 20;

/** Takes samples; tells once of a server that refuses one. */
export class Sampler {
  readonly #reader: CausalReader;
  readonly #log: Logger;
  #told = false;

  constructor(reader: CausalReader, log: Logger) {
    this.#reader = reader;
    this.#log = log;
  }

  /**
   * Documents of a collection, transformed; none where the server refuses.
   *
   * @example
   * IN: shop.orders with 20,000 documents → OUT: 1,000 of them; documents of 160 kB → OUT: 26 of them
   *
   * @throws MongoError when MongoDB is away for too long or the user has no rights
   */
  async sample(namespace: Namespace, transform: readonly Document[]): Promise<Uint8Array[]> {
    try {
      const size = sampleSize(await this.#averageBytes(namespace));
      const { documents } = await this.#reader.page(namespace, {
        aggregate: namespace.collection,
        pipeline: [{ $sample: { size } }, ...transform],
        // Without its random cursor, $sample sorts whole documents.
        allowDiskUse: true,
        cursor: { batchSize: size },
      }, { hint: null, isLong: true });
      return documents.map(({ document }) => document);
    } catch (error) {
      // A transform may make a document too large.
      if (!isRefusal(error) && !isEventTooLarge(error)) throw error;
      this.#tell(namespace, error);
      return [];
    }
  }

  /** Undefined where the server does not tell. */
  async #averageBytes({ database, collection }: Namespace): Promise<number | undefined> {
    const stages = [{ $collStats: { storageStats: {} } }];
    try {
      const shards = await this.#reader.read((client, options) =>
        client.db(database).collection(collection).aggregate(stages, options).toArray()
      );
      return Math.max(0, ...shards.map(({ storageStats }) => Number(storageStats?.avgObjSize) || 0));
    } catch (error) {
      if (isRefusal(error) || hasCode(error, MongodbCode.Unauthorized)) return undefined;
      throw error;
    }
  }

  #tell(namespace: Namespace, error: MongoServerError): void {
    if (this.#told) return;
    this.#told = true;
    this.#log.warn("MongoDB gives no sample of the documents: columns are made as batches bring them", {
      collection: namespaceText(namespace),
      code: error.code,
    });
  }
}

/**
 * How many documents may be asked for.
 *
 * @example
 * IN: 200 → OUT: 1000; IN: 160,000 → OUT: 26; IN: undefined → OUT: 1000
 */
export const sampleSize = (averageBytes = 0): number =>
  Math.max(1, Math.min(MAX_DOCUMENTS, Math.floor(MAX_BYTES / averageBytes)));
