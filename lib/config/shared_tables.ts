/** Finds tables that two streams, or two collections of one, would write. */
import { tableFor } from "../sink/sql/names.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import type { Effective } from "./effective.ts";
import type { RelaySettings } from "../pipeline/settings.ts";

interface Stream extends Pick<Effective, "collections"> {
  readonly name: string;
  readonly settings: Pick<RelaySettings, "scope" | "sink" | "namesIn">;
}

/**
 * Compares the tables of the collections that the streams name, and of an example for each of their patterns.
 *
 * @returns the first of each two streams, at the second one
 * @example
 * IN: streams a and b, both of shop.orders
 * OUT: [{stream: "b", message: "shop.orders of b would have the table shop.orders, which is that of shop.orders of a"}]
 */
export function sharedTables(streams: readonly Stream[]) {
  const candidates = new Map(streams.flatMap(namedIn).map((each) => [namespaceText(each), each]));
  const owners = new Map<string, { readonly stream: string; readonly collection: string }>();
  const found = new Map<string, { readonly stream: string; readonly message: string }>();
  for (const { name: stream, settings: { scope, sink, namesIn } } of streams) {
    const { tableOf } = namesIn(sink.schema);
    for (const [collection, namespace] of candidates) {
      if (!scope.includes(namespace)) continue;
      const { schema, name } = tableFor(tableOf(namespace), namespace);
      const key = JSON.stringify([sink.host, sink.port, schema, name]);
      const owner = owners.get(key);
      if (!owner) owners.set(key, { stream, collection });
      else if (!found.has(`${owner.stream} ${stream}`)) {
        const message =
          `${collection} of ${stream} would have the table ${schema}.${name}, which is that of ` +
          `${owner.collection} of ${owner.stream}`;
        found.set(`${owner.stream} ${stream}`, { stream, message });
      }
    }
  }
  return [...found.values()];
}

const namedIn = ({ settings: { scope: { patterns } }, collections }: Stream): Namespace[] =>
  patterns.databases.flatMap((database) =>
    [...patterns.collections, ...collections.map(({ pattern }) => pattern)].map((name) => ({
      database: example(database),
      collection: example(name.startsWith(`${database}.`) ? name.slice(database.length + 1) : name),
    }))
  );

const example = (pattern: string): string => pattern.replace(/[*?]/g, "x");
