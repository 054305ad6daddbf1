/** The name of a collection: its database and its own. */
export interface Namespace {
  readonly database: string;
  readonly collection: string;
}

/** @example IN: {database: "shop", collection: "orders"} → OUT: shop.orders */
export const namespaceText = ({ database, collection }: Namespace): string => `${database}.${collection}`;

/**
 * Items by their collection, each group in the order of the items. Neighbours mostly share the object that names it: the
 * text is made only where it is another one.
 */
export function byNamespace<T extends { readonly namespace: Namespace }>(items: Iterable<T>): T[][] {
  const groups = new Map<string, T[]>();
  let last: Namespace | undefined;
  let group: T[] = [];
  for (const item of items) {
    if (item.namespace !== last) {
      last = item.namespace;
      const name = namespaceText(last);
      group = groups.get(name) ?? [];
      groups.set(name, group);
    }
    group.push(item);
  }
  return [...groups.values()];
}
