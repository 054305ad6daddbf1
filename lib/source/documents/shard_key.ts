/** What a collection is sharded by. */
import type { Document } from "mongodb";
import type { ShardKey } from "../../key/document_key.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { UserError } from "../../util/errors.ts";
import type { CausalReader } from "../connection/causal_reader.ts";
import { isNotAllowed } from "../connection/mongodb_errors.ts";

/**
 * The shard key of a collection, without `_id`; empty where it is not sharded, or by `_id` alone.
 *
 * @example
 * IN: shop.orders, sharded by {region: 1, _id: 1} → OUT: ["region"]
 *
 * @throws UserError where the user may not read it; MongoError
 */
export async function shardKeyOf(
  reader: Pick<CausalReader, "read">,
  namespace: Namespace,
): Promise<ShardKey> {
  const filter = { _id: namespaceText(namespace), dropped: { $ne: true } };
  try {
    const sharded = await reader.read((client, options) =>
      client.db("config").collection<Document>("collections").findOne(filter as Document, options)
    );
    return Object.keys(sharded?.key ?? {}).filter((path) => path !== "_id");
  } catch (error) {
    if (!isNotAllowed(error)) throw error;
    throw new UserError(`The user may not read the shard key of ${namespaceText(namespace)}.`, {
      hint:
        "--key documentKey needs the action `find` on the collection config.collections. Grant it, or leave --key out.",
      cause: error,
    });
  }
}
