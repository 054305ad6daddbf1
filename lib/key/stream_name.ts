/** Names of streams. Lists in them are sets: order and repetition have no meaning. */

/** Names as in a stream's name: sorted, each once. @example IN: ["b", "a", "a"] → OUT: ["a", "b"] */
export const asSet = (names: readonly string[]): readonly string[] => [...new Set(names)].sort();

/** A list of several names, and the excluded ones. Placeholders of a table have no comma. */
const LIST = /\{([^{}]*,[^{}]*)\}/g;
const EXCLUDED = / without (.*?) -> /s;

/**
 * The same text for all names of one stream.
 * @example
 * IN: shop.{users,orders,users} without b,a -> {database}.{collection}
 * OUT: shop.{orders,users} without a,b -> {database}.{collection}
 */
export const streamKey = (stream: string): string =>
  stream
    .replace(LIST, (_, list: string) => {
      const names = asSet(list.split(","));
      return names.length === 1 ? `${names[0]}` : `{${names.join()}}`;
    })
    .replace(EXCLUDED, (_, list: string) => ` without ${asSet(list.split(",")).join()} -> `);
