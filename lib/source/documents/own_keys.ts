/**
 * Which documents belong to a worker. MongoDB alone decides, by one expression for events, documents and keys, so all
 * relays agree. It does not look at collations: strings that are equal under one may be in several workers.
 */
import type { Document } from "mongodb";
import type { BsonValue } from "../../bson/bson.ts";
import type { Worker } from "../../key/worker.ts";
import { idOfKey } from "../../key/key_to_id.ts";
import { expressionOf } from "../../key/query_literal.ts";
import type { Namespace } from "../../util/namespace.ts";
import { UserError } from "../../util/errors.ts";
import { grouped } from "../../util/grouped.ts";
import type { CausalReader } from "../connection/causal_reader.ts";
import { isRefusal } from "../connection/mongodb_errors.ts";

/**
 * Whether the hash of a value falls into a worker. Hashes may be negative, and so are their remainders.
 *
 * @example
 * IN: {index: 1, count: 4}, "$_id" → OUT: {$eq: [{$abs: {$mod: [{$toHashedIndexKey: "$_id"}, 4]}}, 1]}
 */
export const isOwn = ({ index, count }: Worker, value: unknown): Document => ({
  $eq: [{ $abs: { $mod: [{ $toHashedIndexKey: value }, count] } }, index],
});

/** Keys of one question, and their bytes: a command has 16 MB at most. */
const MAX_KEYS = 2_000;
const MAX_KEY_BYTES = 2 ** 20;

/** A key of a row. */
interface Key {
  /** The `_id` of its document; undefined where the key does not tell. */
  readonly id: BsonValue | undefined;
}

export class OwnKeys {
  readonly #reader: Pick<CausalReader, "read">;
  readonly #worker: Worker | undefined;

  /** @param worker undefined where all keys are own */
  constructor(reader: Pick<CausalReader, "read">, worker: Worker | undefined) {
    this.#reader = reader;
    this.#worker = worker;
  }

  condition(id: unknown): Document | undefined {
    return this.#worker && isOwn(this.#worker, id);
  }

  /**
   * Those of these keys that belong to the worker. Of a key that does not tell its `_id`, nobody knows.
   *
   * @param namespace of a collection that the user may read
   */
  async among<Each extends Key>(namespace: Namespace, keys: readonly Each[]): Promise<readonly Each[]> {
    const worker = this.#worker;
    if (!worker || keys.length === 0) return keys;
    const named = keys.flatMap((key) => {
      const name = key.id && expressionOf(key.id);
      return name ? [{ key, isOwn: isOwn(worker, name) }] : [];
    });
    const own: Each[] = [];
    const limits = {
      count: MAX_KEYS,
      weight: MAX_KEY_BYTES,
      weightOf: ({ key }: { key: Key }) => key.id?.length ?? 0,
    };
    for (const group of grouped(named, limits)) {
      const asked = group.map(({ isOwn }) => isOwn);
      // A mongos answers nothing for a deleted database.
      const answers = await this.#computed(namespace, asked) ??
        await this.#computed({ ...namespace, database: "admin" }, asked);
      for (const [at, { key }] of group.entries()) if (answers?.[at]) own.push(key);
    }
    return own;
  }

  /** @throws UserError where MongoDB cannot divide documents */
  async check(namespace: Namespace): Promise<void> {
    try {
      await this.among(namespace, [{ id: idOfKey("0") }]);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new UserError("This MongoDB cannot divide a stream: it has no $toHashedIndexKey.", {
        hint: "MongoDB 6.0 and newer have it. Without --worker, one relay follows all.",
        cause: error,
      });
    }
  }

  /** What expressions are that read no document. `$facet` makes one document of none. */
  async #computed(
    { database, collection }: Namespace,
    values: readonly Document[],
  ): Promise<readonly boolean[] | undefined> {
    const pipeline = [
      { $match: { _id: { $in: [] } } },
      { $facet: { none: [{ $limit: 1 }] } },
      { $project: { values } },
    ];
    const { cursor } = await this.#reader.read((client, options) =>
      client.db(database).command({ aggregate: collection, pipeline, cursor: {} }, options)
    );
    return cursor.firstBatch[0]?.values;
  }
}
