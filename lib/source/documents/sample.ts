/** Samples documents, to create the first columns of a table. Without a sample, columns are created as documents arrive. */
import type { Document } from "mongodb";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { Logger } from "../../util/log.ts";
import type { CausalReader } from "../connection/causal_reader.ts";
import { hasCode, isEventTooLarge, isRefusal, MongodbCode } from "../connection/mongodb_errors.ts";

const MAX_DOCUMENTS = 1_000;
const MAX_BYTES = 4 * 2 ** 20;

/** Takes samples, and logs once if the server refuses them. */
export class Sampler {
  readonly #reader: CausalReader;
  readonly #log: Logger;
  #isLogged = false;

  constructor(reader: CausalReader, log: Logger) {
    this.#reader = reader;
    this.#log = log;
  }

  /**
   * Documents of a collection, transformed; none if the server refuses.
   * @example IN: shop.orders with 20,000 documents → OUT: 1,000 of them; documents of 160 kB → OUT: 26 of them
   */
  async sample(namespace: Namespace, transform: readonly Document[]): Promise<Uint8Array[]> {
    try {
      const size = sampleSize(await this.#averageBytes(namespace));
      const { documents } = await this.#reader.page(namespace, {
        aggregate: namespace.collection,
        pipeline: [{ $sample: { size } }, ...transform],
        // If MongoDB cannot use a random cursor, $sample sorts whole documents.
        allowDiskUse: true,
        cursor: { batchSize: size },
      }, { hint: null, isLong: true });
      return documents.map(({ document }) => document);
    } catch (error) {
      // A transform can make a document too large.
      if (!isRefusal(error) && !isEventTooLarge(error)) throw error;
      if (!this.#isLogged) {
        this.#log.warn("MongoDB refused a sample of the documents: creating columns as documents arrive", {
          collection: namespaceText(namespace),
          code: error.code,
        });
      }
      this.#isLogged = true;
      return [];
    }
  }

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
}

/** The number of documents in a sample. @example IN: 200 → OUT: 1000; IN: 160,000 → OUT: 26 */
export const sampleSize = (averageBytes = 0): number =>
  Math.max(1, Math.min(MAX_DOCUMENTS, Math.floor(MAX_BYTES / averageBytes)));
