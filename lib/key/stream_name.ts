/** The names of streams. Lists in them are sets: order and repetitions have no meaning. */

/** Names in the order in which a stream's name has them, each once. @example IN: ["b", "a", "a"] → OUT: ["a", "b"] */
export const asSet = (names: readonly string[]): readonly string[] => [...new Set(names)].sort();

/** A list of several names, and what is left out. A table's placeholders have no comma. */
const LIST = /\{([^{}]*,[^{}]*)\}/g;
const LEFT_OUT = / without (.*?) -> /s;

/**
 * The same text for all names of one stream.
 *
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
    .replace(LEFT_OUT, (_, list: string) => ` without ${asSet(list.split(",")).join()} -> `);
