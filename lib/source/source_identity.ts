/**
 * Tells one deployment from another. A replica set has an identity, which the user may be allowed to read. Otherwise the
 * collections tell, each of which has a UUID.
 */
import type { CausalReader } from "./causal_reader.ts";
import { hasCode, MongodbCode } from "./mongodb_errors.ts";
import { type FoundCollection } from "./scope.ts";
import { type Namespace, namespaceText } from "../namespace.ts";

/** Collections to remember; one matching UUID is enough. */
const MAX_COLLECTIONS = 20;
/** No collection has this name: those have a dot. */
const DEPLOYMENT = "deployment";

type Identities = Readonly<Record<string, string>>;

/** The user may not ask, or the service does not tell. */
const NOT_TOLD = [
  MongodbCode.Unauthorized,
  MongodbCode.CommandNotFound,
  MongodbCode.NoReplicationEnabled,
  MongodbCode.CommandNotSupported,
  MongodbCode.UnsupportedByDocumentDB,
  MongodbCode.AtlasError,
];

/**
 * Hex digits of the replica set's identity; undefined where MongoDB does not tell it.
 *
 * @throws MongoError
 */
export async function deploymentOf(reader: CausalReader): Promise<string | undefined> {
  try {
    const { config } = await reader.read((client, options) =>
      client.db("admin").command({ replSetGetConfig: 1 }, options)
    );
    return config?.settings?.replicaSetId?.toString("hex");
  } catch (error) {
    if (hasCode(error, ...NOT_TOLD)) return undefined;
    throw error;
  }
}

/**
 * The text that is saved to recognise a deployment.
 *
 * @example
 * IN: [{database: "shop", collection: "orders", uuid: "0a1b…"}], 6690… → OUT: {"deployment":"6690…","shop.orders":"0a1b…"}
 */
export const identityOf = (collections: readonly FoundCollection[], deployment?: string): string =>
  JSON.stringify({
    ...deployment !== undefined && { [DEPLOYMENT]: deployment },
    ...Object.fromEntries(Object.entries(identitiesOf(collections)).slice(0, MAX_COLLECTIONS)),
  });

/**
 * Whether a deployment is another one than the saved one. Judged by collections, it is if every collection that both have
 * by name has another UUID.
 */
export function isOtherDeployment(
  origin: string | null,
  collections: readonly FoundCollection[],
  deployment?: string,
): boolean {
  const { [DEPLOYMENT]: known, ...before } = parse(origin);
  if (known !== undefined && deployment !== undefined) return known !== deployment;
  const now = identitiesOf(collections);
  const common = Object.keys(before).filter((name) => Object.hasOwn(now, name));
  return common.length > 0 && common.every((name) => before[name] !== now[name]);
}

/** Drops a collection that is gone: the next one of that name will have another UUID. */
export function withoutCollection(origin: string | null, gone: Namespace): string {
  const { [namespaceText(gone)]: _gone, ...rest } = parse(origin);
  return JSON.stringify(rest);
}

const parse = (origin: string | null): Identities => JSON.parse(origin ?? "{}");

const identitiesOf = (collections: readonly FoundCollection[]): Identities =>
  Object.fromEntries(
    collections.flatMap((each) => each.uuid === undefined ? [] : [[namespaceText(each), each.uuid]]),
  );
