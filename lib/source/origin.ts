/** Which deployment a position is of. Its collections tell: each has an identity that MongoDB gave it when it was made. */
import { type FoundCollection, type Namespace, namespaceText } from "./scope.ts";

/** So many are kept; one that is the same says enough. */
const MOST = 20;

type Identities = Readonly<Record<string, string>>;

/**
 * What is saved of the collections that there are.
 *
 * @example
 * IN: [{database: "shop", collection: "orders", uuid: "0a1b…"}] → OUT: {"shop.orders":"0a1b…"}
 */
export const originOf = (collections: readonly FoundCollection[]): string =>
  JSON.stringify(Object.fromEntries(Object.entries(identitiesOf(collections)).slice(0, MOST)));

/** Whether collections with the names of those that were there are others, all of them. */
export function isElsewhere(origin: string | null, collections: readonly FoundCollection[]): boolean {
  const [before, now] = [parse(origin), identitiesOf(collections)];
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
