/**
 * The documents of one worker: `--worker K/N` replicates those whose hash of `_id` leaves the remainder K when divided by
 * N. Only MongoDB computes it, with the same expression for events, documents and keys, so all workers agree. The hash
 * ignores collations: strings that are equal under one may belong to different workers.
 */
import type { Document } from "mongodb";
import type { BsonValue } from "../../bson/bson.ts";
import { idOfKey } from "../../key/key_to_id.ts";
import { expressionOf } from "../../key/query_literal.ts";
import type { StreamPart } from "../../key/stream_name.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import { isRefusal } from "../../source/connection/mongodb_errors.ts";
import { ALL_DOCUMENTS, type Share } from "../../source/documents/share.ts";
import { UserError } from "../../util/errors.ts";
import { grouped } from "../../util/grouped.ts";
import type { Namespace } from "../../util/namespace.ts";

type Reader = Pick<CausalReader, "read">;

/** Limits of one query. MongoDB limits a command to 16 MB. */
const MAX_KEYS = 2_000;
const MAX_KEY_BYTES = 2 ** 20;

/** The share of a worker; all documents without one. @throws UserError if MongoDB cannot divide documents */
export async function openShare(
  worker: StreamPart | undefined,
  { reader, namespace }: { readonly reader: Reader; readonly namespace: Namespace },
): Promise<Share> {
  if (!worker) return ALL_DOCUMENTS;
  const share = new WorkerShare(worker, reader);
  try {
    await share.among(namespace, [{ id: idOfKey("0") }]);
    return share;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new UserError("This MongoDB cannot divide a stream: it has no $toHashedIndexKey.", {
      hint: "MongoDB 6.0 and newer have it. Without --worker, one relay replicates all documents.",
      cause: error,
    });
  }
}

export class WorkerShare implements Share {
  readonly relays: number;
  readonly dropsRows: boolean;
  readonly #worker: StreamPart;
  readonly #reader: Reader;

  constructor(worker: StreamPart, reader: Reader) {
    this.#worker = worker;
    this.#reader = reader;
    this.relays = worker.count;
    this.dropsRows = worker.index === 0;
  }

  /** Hashes may be negative, and so are their remainders. */
  condition(id: unknown): Document {
    const { index, count } = this.#worker;
    return { $eq: [{ $abs: { $mod: [{ $toHashedIndexKey: id }, count] } }, index] };
  }

  async among<Each extends { readonly id: BsonValue | undefined }>(
    namespace: Namespace,
    keys: readonly Each[],
  ): Promise<readonly Each[]> {
    const named = keys.flatMap((key) => {
      const id = key.id && expressionOf(key.id);
      return id ? [{ key, isOwn: this.condition(id), bytes: key.id?.length ?? 0 }] : [];
    });
    const own: Each[] = [];
    const weightOf = ({ bytes }: { readonly bytes: number }) => bytes;
    for (const group of grouped(named, { count: MAX_KEYS, weight: MAX_KEY_BYTES, weightOf })) {
      const conditions = group.map(({ isOwn }) => isOwn);
      // A mongos returns nothing for a deleted database.
      const results = await this.#evaluate(namespace, conditions) ??
        await this.#evaluate({ ...namespace, database: "admin" }, conditions);
      for (const [at, { key }] of group.entries()) if (results?.[at]) own.push(key);
    }
    return own;
  }

  /** Evaluates expressions without reading a collection. `$facet` returns one document even for empty input. */
  async #evaluate(
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
