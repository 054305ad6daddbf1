/** The collections that there are, and how large they are. */
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { concurrently } from "../../util/concurrency.ts";
import type { Logger } from "../../util/log.ts";
import type { CausalReader } from "../connection/causal_reader.ts";
import { isNotAllowed } from "../connection/mongodb_errors.ts";
import type { FoundCollection, Scope } from "./scope.ts";

/** Why a change stream does not follow collections of these types. */
const UNFOLLOWED: Readonly<Record<string, string>> = {
  view: "a view has no change stream",
  timeseries: "a time-series collection has no change stream",
};

const COUNTS_AT_ONCE = 8;

/**
 * The collections of a scope, in the order of their names. A warning names those that cannot be followed.
 *
 * @example
 * IN: shop.* → OUT: [{database: "shop", collection: "orders", uuid: "0a1b…"}, …]
 *
 * @throws MongoError
 */
export async function collectionsOf(
  reader: CausalReader,
  scope: Scope,
  { log }: { log: Logger },
): Promise<FoundCollection[]> {
  const found: FoundCollection[] = [];
  for (const database of await databasesOf(reader, scope)) {
    for (const { name: collection, type = "collection", info } of await listed(reader, database, scope)) {
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

interface Listed {
  readonly name: string;
  readonly type?: string;
  readonly info?: { readonly uuid?: { toString(encoding: "hex"): string } };
}

/** A user who may only read sees the names, and not the UUIDs. */
async function listed(reader: CausalReader, database: string, scope: Scope): Promise<readonly Listed[]> {
  const { collection: name } = scope.only;
  const list = (nameOnly: boolean): Promise<readonly Listed[]> =>
    reader.read((client, options) =>
      client.db(database)
        .listCollections(name === undefined ? {} : { name }, {
          ...options,
          nameOnly,
          authorizedCollections: true,
        })
        .toArray()
    );
  try {
    return await list(false);
  } catch (error) {
    if (!isNotAllowed(error)) throw error;
    return await list(true);
  }
}

/** A user may have no right to list the collections of other databases. */
async function databasesOf(reader: CausalReader, scope: Scope): Promise<string[]> {
  if (scope.only.database !== undefined) return [scope.only.database];
  const { databases } = await reader.read((client, options) =>
    client.db("admin").admin().listDatabases({ ...options, nameOnly: true, authorizedDatabases: true })
  );
  return databases.map(({ name }) => name).filter((name) => scope.includesDatabase(name));
}

/** About how many documents they have together, going by the collections' metadata. */
export async function estimatedCount(
  reader: CausalReader,
  namespaces: readonly Namespace[],
): Promise<number> {
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
