/** Reads the arguments of verbs, which people may have written by hand. */
import { type Namespace, namespaceOf } from "../../util/namespace.ts";
import { RefusedError } from "./verb.ts";

/** Reads a value; undefined if it is not given. @throws RangeError whose message follows the name of the argument */
export type ArgumentReader<Value> = (value: unknown) => Value;

/**
 * @example
 * IN: {collection: "shop.orders"}, {collection: collectionName} → OUT: {collection: {database: "shop", collection: "orders"}}
 * @throws RefusedError for an argument with another name, or another value
 */
export function readArguments<Readers extends Readonly<Record<string, ArgumentReader<unknown>>>>(
  given: Readonly<Record<string, unknown>>,
  readers: Readers,
): { readonly [Name in keyof Readers]: ReturnType<Readers[Name]> } {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(readers, name));
  if (unknown !== undefined) {
    throw new RefusedError(`Unknown argument: ${unknown}.`, { hint: `Arguments: ${Object.keys(readers)}.` });
  }
  const read = Object.entries(readers).map(([name, reader]) => {
    try {
      return [name, reader(given[name] ?? undefined)] as const;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RefusedError(`${name} ${error.message}: ${JSON.stringify(given[name]) ?? "none is given"}`);
    }
  });
  return Object.fromEntries(read) as ReturnType<typeof readArguments<Readers>>;
}

export const optional = <Value>(read: ArgumentReader<Value>): ArgumentReader<Value | undefined> => (value) =>
  value === undefined ? undefined : read(value);

export const collectionName: ArgumentReader<Namespace> = (value) => {
  const namespace = typeof value === "string" ? namespaceOf(value) : undefined;
  if (namespace) return namespace;
  throw new RangeError("is not the name of a collection such as shop.orders");
};

export const oneOf = <Word extends string>(...words: readonly Word[]): ArgumentReader<Word> => (value) => {
  const word = words.find((each) => each === value);
  if (word === undefined) throw new RangeError(`is not one of ${words.join(", ")}`);
  return word;
};

export const flag: ArgumentReader<boolean> = (value = false) => {
  if (typeof value !== "boolean") throw new RangeError("is not true or false");
  return value;
};

/** Documents a second; 0 for no limit. */
export const documentRate: ArgumentReader<number> = (value) => {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError("is not a number of documents a second");
};

/** A list of texts, or texts with commas between them. */
export const texts: ArgumentReader<readonly string[]> = (value) => {
  const list = typeof value === "string" ? value.split(",") : value;
  if (
    Array.isArray(list) && list.length > 0 && list.every((each) => typeof each === "string" && each !== "")
  ) {
    return list;
  }
  throw new RangeError("is not a list of texts");
};
