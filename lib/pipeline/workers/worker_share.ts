/**
 * The documents of one worker: `--worker K/N` replicates those whose hash of `_id` leaves the remainder K when divided by
 * N. Only MongoDB computes it, with the same expression for events, documents and keys, so all workers agree. The hash
 * ignores collations: strings that are equal under one may belong to different workers.
 */
import type { Document } from "mongodb";
import { idOfKey } from "../../key/document_key.ts";
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
  const share = workerShare(worker, reader);
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

export function workerShare({ index, count }: StreamPart, reader: Reader): Share {
  // Hashes may be negative, and so are their remainders.
  const condition = (id: unknown): Document => ({
    $eq: [{ $abs: { $mod: [{ $toHashedIndexKey: id }, count] } }, index],
  });
  return {
    relays: count,
    dropsRows: index === 0,
    condition,
    async among(namespace, keys) {
      const named = keys.flatMap((key) => {
        const id = key.id && expressionOf(key.id);
        return id ? [{ key, isOwn: condition(id), bytes: key.id?.length ?? 0 }] : [];
      });
      const own: (typeof keys)[number][] = [];
      const limits = { count: MAX_KEYS, weight: MAX_KEY_BYTES };
      for (const group of grouped(named, { ...limits, weightOf: ({ bytes }) => bytes })) {
        const conditions = group.map(({ isOwn }) => isOwn);
        // A mongos returns nothing for a deleted database.
        const results = await evaluated(conditions, namespace, reader) ??
          await evaluated(conditions, { ...namespace, database: "admin" }, reader);
        own.push(...group.filter((_, at) => results?.[at]).map(({ key }) => key));
      }
      return own;
    },
  };
}

/** Evaluates expressions without reading a collection. `$facet` returns one document even for empty input. */
async function evaluated(
  values: readonly Document[],
  { database, collection }: Namespace,
  reader: Reader,
): Promise<readonly boolean[] | undefined> {
  const pipeline = [
    { $match: { _id: { $in: [] } } },
    { $facet: { none: [{ $limit: 1 }] } },
    { $project: { values } },
  ];
  const { cursor } = await reader.read((client, options) =>
    client.db(database).command({ aggregate: collection, pipeline, cursor: {} }, options)
  );
  return cursor.firstBatch[0]?.values;
}
