/** The collections that there are. */
import { type MongoClient, ReadPreference } from "mongodb";
import { concurrently } from "../util/concurrently.ts";
import type { Logger } from "../util/log.ts";
import { type FoundCollection, type Scope } from "./scope.ts";
import { type Namespace, namespaceText } from "../namespace.ts";

/** What a change stream says of collections that are not plain ones. */
const UNFOLLOWED: Readonly<Record<string, string>> = {
  view: "a view has no change stream",
  timeseries: "a time-series collection has no change stream",
};

/** A secondary may not know yet of what was made or dropped. */
const READ = { readPreference: ReadPreference.primary } as const;

/**
 * The collections of a scope, in order of their names; those that cannot be followed are passed over with a warning.
 *
 * @throws MongoError
 */
export async function collectionsOf(
  client: MongoClient,
  scope: Scope,
  { log }: { log: Logger },
): Promise<FoundCollection[]> {
  const found: FoundCollection[] = [];
  for (const database of await databasesOf(client, scope)) {
    const filter = scope.only.collection === undefined ? {} : { name: scope.only.collection };
    const listed = client.db(database).listCollections(filter, {
      ...READ,
      nameOnly: false,
      authorizedCollections: true,
    });
    for await (const { name: collection, type = "collection", info } of listed) {
      const uuid = info?.uuid?.toString("hex");
      const namespace = { database, collection, ...uuid !== undefined && { uuid } };
      if (!scope.includes(namespace)) continue;
      const why = UNFOLLOWED[type];
      if (why) log.warn("Passed over", { collection: namespaceText(namespace), because: why });
      else found.push(namespace);
    }
  }
  const { database, collection } = scope.only;
  const isThere = found.some((each) => each.database === database && each.collection === collection);
  if (database !== undefined && collection !== undefined && !isThere) found.push({ database, collection });
  return found.sort((one, other) => namespaceText(one) < namespaceText(other) ? -1 : 1);
}

/** Of the others a user may have no right to list the collections. */
async function databasesOf(client: MongoClient, scope: Scope): Promise<string[]> {
  if (scope.only.database !== undefined) return [scope.only.database];
  const { databases } = await client.db("admin").admin().listDatabases({
    ...READ,
    nameOnly: true,
    authorizedDatabases: true,
  });
  return databases.map(({ name }) => name).filter((name) => scope.includesDatabase(name));
}

/** About how many documents they have, going by the collections' metadata. */
export async function estimatedCount(client: MongoClient, namespaces: readonly Namespace[]): Promise<number> {
  const counts = await concurrently(
    namespaces,
    8,
    ({ database, collection }) => client.db(database).collection(collection).estimatedDocumentCount(),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
