/** Finds names of a scope that match nothing, because a typing error would silently follow nothing. */
import { concurrently } from "../../util/concurrency.ts";
import { undefinedIf } from "../../util/errors.ts";
import type { Namespace } from "../../util/namespace.ts";
import { similarName } from "../../util/text.ts";
import { type CausalReader, listCollections } from "../connection/causal_reader.ts";
import { isNotAllowed } from "../connection/mongodb_errors.ts";
import { databasesOf } from "./collections.ts";
import { matches, type Scope } from "./scope.ts";

/** Existing names; undefined if the user may not list them. */
export interface Catalogue {
  databases(): Promise<readonly string[] | undefined>;
  collections(database: string): Promise<readonly string[] | undefined>;
}

/** A name or pattern of a scope that matches nothing. */
export interface Unmatched {
  readonly kind: "database" | "collection";
  readonly name: string;
  /** Sorted. */
  readonly existing: readonly string[];
  /** A similar name, which may have been meant. */
  readonly similar: string | undefined;
}

const LISTED_AT_ONCE = 8;

export const catalogueOf = (reader: Pick<CausalReader, "read">): Catalogue => ({
  databases: () => databasesOf(reader).catch(undefinedIf(isNotAllowed)),
  collections: (database) =>
    listCollections(reader, database).then((listed) => listed.map(({ name }) => name))
      .catch(undefinedIf(isNotAllowed)),
});

/**
 * The names of a scope that match nothing; none if the user may not list names.
 * @param found the collections of the scope; a single collection is looked up again, because it may not exist
 * @example IN: shpo.*, [], a catalogue of shop → OUT: [{kind: "database", name: "shpo", existing: ["shop"], similar: "shop"}]
 */
export async function unmatchedNames(
  scope: Scope,
  found: readonly Namespace[],
  catalogue: Catalogue,
): Promise<readonly Unmatched[]> {
  const { databases, collections } = scope.patterns;
  const seen = scope.level === "collection" ? [] : found;
  const openDatabases = notMatching(databases, seen.map(({ database }) => database));
  const openCollections = notMatching(collections, seen.map(({ collection }) => collection));
  if (openDatabases.length + openCollections.length === 0) return [];
  const existing = (await catalogue.databases())?.filter((each) => scope.isFollowable(each));
  if (!existing) return [];
  const unmatched = notMatching(openDatabases, existing).map((name) =>
    unmatchedOf("database", name, existing)
  );
  const included = existing.filter((each) => scope.includesDatabase(each));
  if (openCollections.length === 0 || included.length === 0) return unmatched;
  const lists = await concurrently(included, LISTED_AT_ONCE, (each) => catalogue.collections(each));
  const known = lists.filter((list) => list !== undefined);
  if (known.length < lists.length) return unmatched;
  const names = [...new Set(known.flat())].filter((name) => !name.startsWith("system."));
  const others = notMatching(openCollections, names).map((name) =>
    unmatchedOf("collection", name, names, databases)
  );
  return [...unmatched, ...others];
}

/** The patterns that match none of the names. */
const notMatching = (patterns: readonly string[], names: readonly string[]): string[] =>
  patterns.filter((pattern) => pattern !== "*" && !names.some((name) => matches(pattern, name)));

/** @param databases whose names may precede the collection's name */
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
