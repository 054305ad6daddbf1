import type { Document } from "mongodb";
import type { ShardKey } from "../../key/document_key.ts";
import { concurrently } from "../../util/concurrency.ts";
import { UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { type CausalReader, listCollections } from "../connection/causal_reader.ts";
import { isNotAllowed } from "../connection/mongodb_errors.ts";
import type { FoundCollection, Scope } from "./scope.ts";

type Reader = Pick<CausalReader, "read">;

/** Types of collections that a change stream cannot follow, and why. */
const UNFOLLOWED: Readonly<Record<string, string>> = {
  view: "a view has no change stream",
  timeseries: "a time-series collection has no change stream",
};

const COUNTS_AT_ONCE = 8;

/** The databases that the user may see. */
export async function databasesOf(reader: Reader): Promise<string[]> {
  const { databases } = await reader.read((client, options) =>
    client.db("admin").admin().listDatabases({ ...options, nameOnly: true, authorizedDatabases: true })
  );
  return databases.map(({ name }) => name);
}

/**
 * The collections of a scope, sorted by name. Logs those that a change stream cannot follow.
 * @example IN: shop.* → OUT: [{database: "shop", collection: "orders", uuid: "0a1b…"}, …]
 */
export async function collectionsOf(
  reader: Reader,
  scope: Scope,
  { log }: { log: Logger },
): Promise<FoundCollection[]> {
  const { only } = scope;
  const databases = only.database === undefined
    ? (await databasesOf(reader)).filter((name) => scope.includesDatabase(name))
    : [only.database];
  const found: FoundCollection[] = [];
  for (const database of databases) {
    for (const { name, type = "collection", info } of await withUuids(reader, database, only.collection)) {
      const uuid = info?.uuid?.toString("hex");
      const namespace = { database, collection: name, ...uuid !== undefined && { uuid } };
      if (!scope.includes(namespace)) continue;
      const why = UNFOLLOWED[type];
      if (why) log.warn("Skipped", { collection: namespaceText(namespace), because: why });
      else found.push(namespace);
    }
  }
  // A single collection may not exist yet.
  const { database, collection } = only;
  if (found.length === 0 && database !== undefined && collection !== undefined) {
    found.push({ database, collection });
  }
  return found.sort((one, other) => namespaceText(one) < namespaceText(other) ? -1 : 1);
}

/** Without UUIDs if the user may see only names. */
const withUuids = (reader: Reader, database: string, name?: string) =>
  listCollections(reader, database, { name, nameOnly: false }).catch((error: unknown) => {
    if (!isNotAllowed(error)) throw error;
    return listCollections(reader, database, { name });
  });

/** The approximate number of documents in these collections, from their metadata. */
export async function estimatedCount(reader: Reader, namespaces: readonly Namespace[]): Promise<number> {
  const counts = await concurrently(
    namespaces,
    COUNTS_AT_ONCE,
    ({ database, collection }) =>
      reader.read((client, options) =>
        client.db(database).collection(collection).estimatedDocumentCount(options)
      ),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * The shard key of a collection without `_id`; empty if it is not sharded, or by `_id` alone.
 * @example IN: shop.orders, sharded by {region: 1, _id: 1} → OUT: ["region"]
 * @throws UserError if the user may not read it
 */
export async function shardKeyOf(reader: Reader, namespace: Namespace): Promise<ShardKey> {
  const filter: Document = { _id: namespaceText(namespace), dropped: { $ne: true } };
  try {
    const sharded = await reader.read((client, options) =>
      client.db("config").collection<Document>("collections").findOne(filter, options)
    );
    return Object.keys(sharded?.key ?? {}).filter((path) => path !== "_id");
  } catch (error) {
    if (!isNotAllowed(error)) throw error;
    throw new UserError(`The user may not read the shard key of ${namespaceText(namespace)}.`, {
      hint:
        "--key documentKey needs the action `find` on the collection config.collections. Grant it, or remove --key.",
      cause: error,
    });
  }
}
