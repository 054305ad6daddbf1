export interface Namespace {
  readonly database: string;
  readonly collection: string;
}

/** @example IN: {database: "shop", collection: "orders"} → OUT: shop.orders */
export const namespaceText = ({ database, collection }: Namespace): string => `${database}.${collection}`;

/** The inverse; undefined for another text. A database has no dot in its name. */
export function namespaceOf(text: string): Namespace | undefined {
  const [, database, collection] = /^([^.]+)\.(.+)$/s.exec(text) ?? [];
  return database !== undefined && collection !== undefined ? { database, collection } : undefined;
}

/** Groups items by collection, in order. Fast if neighbours share the namespace object. */
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
