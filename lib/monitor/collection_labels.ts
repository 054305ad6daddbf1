/** The values of the label `collection`: bounded, because each makes time series of its own. */
import { type Namespace, namespaceText } from "../util/namespace.ts";

/** No collection has this name: names have a dot. */
const OTHER = "other";
const MAX_COLLECTIONS = 100;

/**
 * @example
 * IN: shop.orders, shop.users, shop.orders with `atMost` 1 → OUT: shop.orders, other, shop.orders
 */
export class CollectionLabels {
  readonly #atMost: number;
  readonly #known = new Set<string>();

  constructor({ atMost = MAX_COLLECTIONS } = {}) {
    this.#atMost = atMost;
  }

  of(namespace: Namespace): string {
    const name = namespaceText(namespace);
    if (this.#known.has(name)) return name;
    if (this.#known.size >= this.#atMost) return OTHER;
    this.#known.add(name);
    return name;
  }
}
