/** Finds tables that two streams, or two collections of one, would write. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { tableFor } from "../sink/sql/names.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { isName } from "./collection_rules.ts";
import type { Effective } from "./effective.ts";

interface Stream extends Pick<Effective, "collections"> {
  readonly name: string;
  readonly settings: Pick<RelaySettings, "scope" | "sink" | "for">;
}

export interface SharedTable {
  /** The second of the two. */
  readonly stream: string;
  readonly message: string;
}

/**
 * Compares the tables of the collections that the streams name, and of an example for each of their patterns.
 *
 * @example
 * IN: streams a and b, both of shop.orders
 * OUT: [{stream: "b", message: "shop.orders of b would be written to shop.orders, the table of shop.orders of a"}]
 */
export function sharedTables(streams: readonly Stream[]): readonly SharedTable[] {
  const candidates = new Map(streams.flatMap(namedIn).map((each) => [namespaceText(each), each]));
  const writers = new Map<string, { readonly stream: string; readonly namespace: Namespace }>();
  const found = new Map<string, SharedTable>();
  for (const { name, settings } of streams) {
    const { scope, sink } = settings;
    for (const namespace of candidates.values()) {
      if (!scope.includes(namespace)) continue;
      const table = tableFor(settings.for(namespace).table(sink.schema), namespace);
      const key = JSON.stringify([sink.host, sink.port, table.schema, table.name]);
      const first = writers.get(key);
      if (!first) writers.set(key, { stream: name, namespace });
      else if (!found.has(`${first.stream} ${name}`)) {
        const message =
          `${namespaceText(namespace)} of ${name} would be written to ${table.schema}.${table.name}, ` +
          `the table of ${namespaceText(first.namespace)} of ${first.stream}`;
        found.set(`${first.stream} ${name}`, { stream: name, message });
      }
    }
  }
  return [...found.values()];
}

function namedIn({ settings: { scope }, collections }: Stream): Namespace[] {
  const { databases, collections: inScope } = scope.patterns;
  const names = [...inScope, ...collections.map(({ pattern }) => pattern)];
  return databases.flatMap((database) =>
    names.map((name) => ({
      database: example(database),
      collection: example(withoutDatabase(name, database)),
    }))
  );
}

/** @example IN: shop.orders, shop → OUT: orders */
const withoutDatabase = (name: string, database: string): string =>
  isName(database) && name.startsWith(`${database}.`) ? name.slice(database.length + 1) : name;

const example = (pattern: string): string => pattern.replace(/[*?]/g, "x");
