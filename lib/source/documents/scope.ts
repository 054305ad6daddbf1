/** The collections that a relay follows: one, or those of a database or a deployment that match patterns. */
import type { Document } from "mongodb";
import { asSet } from "../../key/stream_name.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { UsageError } from "../../util/errors.ts";

/** A collection in the scope, which may not exist yet. */
export interface FoundCollection extends Namespace {
  /** Its UUID in hex digits; undefined if it does not exist yet or the user may not see it. */
  readonly uuid?: string;
}

export interface ScopeOptions {
  /** Patterns of names with `*` and `?`, as in a shell. */
  readonly databases: readonly string[];
  readonly collections: readonly string[];
  /** Patterns of `database.collection`, or of collection names. */
  readonly exclude: readonly string[];
}

/** MongoDB's temporary collections: results of `$out` and map-reduce, renames across databases, capping. */
const TEMPORARY = /^tmp\.(?:agg_out|mr)\.|^tmp.{5}\.(?:renameCollection$|convertToCapped\.)/;
/** MongoDB's metadata of a collection with Queryable Encryption, and its temporary copies. */
const ENCRYPTION_STATE = /^enxcol_\..+\.(?:esc|ecc|ecoc)(?:\.\w+)?$/s;

const OWN = ["admin", "local", "config"];

export class Scope {
  /** Without duplicates, sorted. */
  readonly patterns: ScopeOptions;
  readonly #globs: Readonly<Record<keyof ScopeOptions, readonly RegExp[]>>;
  /** Results of `includes()`, which runs for every change: changes of one collection share a namespace object. */
  readonly #known = new WeakMap<Namespace, boolean>();
  /** The level of the change stream. */
  readonly level: "collection" | "database" | "deployment";
  /** The single database or collection of that level. */
  readonly only: Partial<Namespace>;

  constructor(options: ScopeOptions) {
    this.patterns = mapped(options, asSet);
    this.#globs = mapped(this.patterns, (patterns) => patterns.map(glob));
    const database = literal(this.patterns.databases);
    const collection = database === undefined ? undefined : literal(this.patterns.collections);
    this.level = database === undefined ? "deployment" : collection === undefined ? "database" : "collection";
    this.only = { ...database !== undefined && { database }, ...collection !== undefined && { collection } };
    const impossible = this.patterns.databases.find((each) => /[./\\ "$]/.test(each));
    if (impossible !== undefined) {
      throw new UsageError(`--database ${impossible} is not a valid database name.`, {
        hint: "For one collection: --database shop --collection orders",
      });
    }
    if (database !== undefined && OWN.includes(database)) {
      throw new UsageError(`Database ${database} belongs to MongoDB itself and has no change stream.`);
    }
    if (database !== undefined && collection !== undefined && !this.includes({ database, collection })) {
      throw new UsageError(`Collection ${database}.${collection} is excluded.`, {
        hint: "It matches --exclude, or is an internal or temporary collection of MongoDB.",
      });
    }
  }

  /** @example OUT: testdrive.data; shop.*; *.*; shop.{orders,users}; shop.* without shop.tmp_* */
  toString(): string {
    const { databases, collections, exclude } = this.patterns;
    const without = exclude.length > 0 ? ` without ${exclude.join(",")}` : "";
    return `${listed(databases)}.${listed(collections)}${without}`;
  }

  /** Whether a change stream can follow the database. */
  isFollowable(database: string): boolean {
    return !OWN.includes(database);
  }

  includesDatabase(database: string): boolean {
    return this.isFollowable(database) && this.#globs.databases.some((each) => each.test(database));
  }

  includes(namespace: Namespace): boolean {
    let included = this.#known.get(namespace);
    if (included === undefined) this.#known.set(namespace, included = this.#matches(namespace));
    return included;
  }

  #matches({ database, collection }: Namespace): boolean {
    const { collections, exclude } = this.#globs;
    return this.includesDatabase(database) && !isInternal(collection) &&
      collections.some((each) => each.test(collection)) &&
      !exclude.some((each, index) =>
        each.test(collection) ||
        this.patterns.exclude[index]?.includes(".") && each.test(namespaceText({ database, collection }))
      );
  }

  /**
   * The stage with which the server filters events; none if the level suffices.
   * @example IN: shop.{orders,users} → OUT: {$match: {$or: [{"ns.coll": {$regex: "^(?:orders|users)$"}, …}, …]}}
   */
  stages(): Document[] {
    if (this.level === "collection") return [];
    const { databases, collections } = this.patterns;
    const [db, coll] = [anyOf(databases), anyOf(collections)];
    const wholes = { operationType: { $in: ["dropDatabase", "invalidate"] } };
    const either = [{ "ns.db": db, "ns.coll": coll }, { "to.db": db, "to.coll": coll }, wholes];
    return [{ $match: { $or: either } }];
  }
}

const mapped = <T>(
  { databases, collections, exclude }: ScopeOptions,
  map: (patterns: readonly string[]) => T,
) => ({ databases: map(databases), collections: map(collections), exclude: map(exclude) });

const isInternal = (collection: string): boolean =>
  collection.startsWith("system.") || TEMPORARY.test(collection) || ENCRYPTION_STATE.test(collection);

const literal = (patterns: readonly string[]): string | undefined =>
  patterns.length === 1 && !/[*?]/.test(patterns[0] ?? "") ? patterns[0] : undefined;

const listed = (patterns: readonly string[]): string =>
  patterns.length === 1 ? patterns[0] ?? "" : `{${patterns.join(",")}}`;

/** @example IN: user_* → OUT: user_.* */
const source = (pattern: string): string =>
  pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");

/** Whether a name matches a pattern with `*` and `?`. @example IN: user_*, user_1 → OUT: true */
export const matches = (pattern: string, name: string): boolean => glob(pattern).test(name);

const glob = (pattern: string): RegExp => new RegExp(`^(?:${source(pattern)})$`, "su");

const anyOf = (patterns: readonly string[]): Document => ({
  $regex: `^(?:${patterns.map(source).join("|")})$`,
  $options: "s",
});
