/**
 * Which deployment a position is of. A replica set has an identity, where the user may read it; otherwise its
 * collections tell, each of which has one that MongoDB gave it when it was made.
 */
import { type MongoClient, ReadPreference } from "mongodb";
import { type FoundCollection } from "./scope.ts";
import { type Namespace, namespaceText } from "../namespace.ts";

/** So many are kept; one that is the same says enough. */
const MOST = 20;
/** No collection is called so: those have a dot. */
const DEPLOYMENT = "deployment";

type Identities = Readonly<Record<string, string>>;

/** Hex digits of the replica set's identity; undefined where MongoDB does not tell it. */
export async function deploymentOf(client: MongoClient): Promise<string | undefined> {
  try {
    const { config } = await client.db("admin").command({ replSetGetConfig: 1 }, {
      readPreference: ReadPreference.primary,
    });
    return config.settings.replicaSetId.toString("hex");
  } catch {
    return undefined;
  }
}

/**
 * What is saved of a deployment.
 *
 * @example
 * IN: [{database: "shop", collection: "orders", uuid: "0a1b…"}], 6690… → OUT: {"deployment":"6690…","shop.orders":"0a1b…"}
 */
export const identityOf = (collections: readonly FoundCollection[], deployment?: string): string =>
  JSON.stringify({
    ...deployment !== undefined && { [DEPLOYMENT]: deployment },
    ...Object.fromEntries(Object.entries(identitiesOf(collections)).slice(0, MOST)),
  });

/** Whether it is another one; going by collections, when those with the names of what was there are others, all of them. */
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

/** Without a collection that is gone: what is made under its name will be another one. */
export function withoutCollection(origin: string | null, gone: Namespace): string {
  const { [namespaceText(gone)]: _gone, ...rest } = parse(origin);
  return JSON.stringify(rest);
}

const parse = (origin: string | null): Identities => JSON.parse(origin ?? "{}");

const identitiesOf = (collections: readonly FoundCollection[]): Identities =>
  Object.fromEntries(
    collections.flatMap((each) => each.uuid === undefined ? [] : [[namespaceText(each), each.uuid]]),
  );
