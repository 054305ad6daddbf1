/** Names of a scope that match nothing, and the names that exist instead: a typing error follows nothing for ever. */
import type { Namespace } from "../../util/namespace.ts";
import { concurrently } from "../../util/concurrency.ts";
import { similarName } from "../../util/text.ts";
import type { CausalReader } from "../connection/causal_reader.ts";
import { isNotAllowed } from "../connection/mongodb_errors.ts";
import { matches, type Scope } from "./scope.ts";

/** The names that MongoDB shows to the user; undefined if the user may not list them. */
export interface Catalogue {
  databases(): Promise<readonly string[] | undefined>;
  collections(database: string): Promise<readonly string[] | undefined>;
}

/** A name, or a pattern, of a scope that matches nothing. */
export interface Unmatched {
  readonly kind: "database" | "collection";
  readonly name: string;
  /** The names that exist, in their order. */
  readonly existing: readonly string[];
  /** The name that may have been meant. */
  readonly similar: string | undefined;
}

/** Databases whose collections are listed at once. */
const LISTED_AT_ONCE = 8;
const ANY = "*";

export const catalogueOf = (reader: Pick<CausalReader, "read">): Catalogue => ({
  databases: () =>
    unlessForbidden(async () => {
      const { databases } = await reader.read((client, options) =>
        client.db("admin").admin().listDatabases({ ...options, nameOnly: true, authorizedDatabases: true })
      );
      return databases.map(({ name }) => name);
    }),
  collections: (database) =>
    unlessForbidden(async () => {
      const listed = await reader.read((client, options) =>
        client.db(database)
          .listCollections({}, { ...options, nameOnly: true, authorizedCollections: true })
          .toArray()
      );
      return listed.map(({ name }) => name);
    }),
});

async function unlessForbidden<T>(list: () => Promise<T>): Promise<T | undefined> {
  try {
    return await list();
  } catch (error) {
    if (!isNotAllowed(error)) throw error;
    return undefined;
  }
}

/**
 * The names of a scope that match nothing which exists. None if the user may not list what exists.
 *
 * @param found the collections that the scope has found; a single collection is looked up again, as it may not exist
 *
 * @example
 * IN: shpo.*, [], a catalogue of shop and weather → OUT: [{kind: "database", name: "shpo", existing: ["shop", "weather"], similar: "shop"}]
 *
 * @throws MongoError
 */
export async function unmatchedNames(
  scope: Scope,
  found: readonly Namespace[],
  catalogue: Catalogue,
): Promise<readonly Unmatched[]> {
  const { databases, collections } = scope.patterns;
  const seen = scope.level === "collection" ? [] : found;
  const isOpen = (pattern: string, names: readonly string[]): boolean =>
    pattern !== ANY && !names.some((name) => matches(pattern, name));
  const openDatabases = databases.filter((each) => isOpen(each, seen.map(({ database }) => database)));
  const openCollections = collections.filter((each) =>
    isOpen(each, seen.map(({ collection }) => collection))
  );
  if (openDatabases.length + openCollections.length === 0) return [];
  const existing = (await catalogue.databases())?.filter((each) => scope.isFollowable(each));
  if (!existing) return [];
  const unmatched = openDatabases.filter((each) => isOpen(each, existing))
    .map((name) => unmatchedOf("database", name, existing));
  const included = existing.filter((each) => scope.includesDatabase(each));
  if (openCollections.length === 0 || included.length === 0) return unmatched;
  const lists = await concurrently(included, LISTED_AT_ONCE, (each) => catalogue.collections(each));
  const known = lists.filter((list) => list !== undefined);
  if (known.length < lists.length) return unmatched;
  const names = [...new Set(known.flat())].filter((name) => !name.startsWith("system."));
  return [
    ...unmatched,
    ...openCollections.filter((each) => isOpen(each, names))
      .map((name) => unmatchedOf("collection", name, names, databases)),
  ];
}

/** @param databases a collection may have been named with its database */
function unmatchedOf(
  kind: Unmatched["kind"],
  name: string,
  names: readonly string[],
  databases: readonly string[] = [],
): Unmatched {
  const existing = [...names].sort();
  const prefix = databases.find((each) => name.startsWith(`${each}.`));
  const similar = prefix === undefined ? similarName(name, existing) : name.slice(prefix.length + 1);
  return { kind, name, existing, similar };
}

/** Names that are printed. */
const MAX_NAMES = 20;

/** @example IN: ["shop", "weather"] → OUT: shop, weather; IN: [] → OUT: none */
export function namesText(names: readonly string[]): string {
  if (names.length === 0) return "none";
  const more = names.length - MAX_NAMES;
  return names.slice(0, MAX_NAMES).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** @example OUT: No database matches shpo; MongoDB shows these: shop, weather */
export const unmatchedText = ({ kind, name, existing }: Unmatched): string =>
  `No ${kind} matches ${name}; MongoDB shows these: ${namesText(existing)}`;
