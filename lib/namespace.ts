/** The name of a collection: its database and its own. */
export interface Namespace {
  readonly database: string;
  readonly collection: string;
}

/** @example IN: {database: "shop", collection: "orders"} → OUT: shop.orders */
export const namespaceText = ({ database, collection }: Namespace): string => `${database}.${collection}`;
