/** What CrateDB has for the special indexes of MongoDB and for the decimals of a validator: settings to paste. */
import type { Document, IndexDescriptionInfo } from "mongodb";
import { stringify } from "yaml";
import { isRefusedName } from "../mapping/classify.ts";
import { arraysOf, type Column, columnAt, objectColumn } from "../mapping/column_tree.ts";
import { parseTypes } from "../mapping/designed_types.ts";
import { inferColumns } from "../mapping/field_counts.ts";
import { shadowOf } from "../mapping/shadows.ts";
import { CDC_COLUMN } from "../sink/table/cdc_column.ts";
import { settingsBeside, type TableDesign } from "../sink/table/table_design.ts";
import type { CausalReader } from "../source/connection/causal_reader.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";

export interface Known {
  readonly indexes: readonly Pick<
    IndexDescriptionInfo,
    "key" | "weights" | "default_language" | "expireAfterSeconds" | "name"
  >[];
  /** The `$jsonSchema` of the validator. */
  readonly schema: Document;
}

/** The indexes and the validator of a collection; none for what the user may not list. */
export async function knownOf(
  { database, collection: name }: Namespace,
  reader: Pick<CausalReader, "read">,
): Promise<Known> {
  const [indexes, [found]] = await Promise.all([
    reader.read((client, options) => client.db(database).collection(name).listIndexes(options).toArray())
      .catch(() => []),
    reader.read((client, options) => client.db(database).listCollections({ name }, options).toArray())
      .catch(() => []),
  ]);
  const { validator } = found && "options" in found ? found.options ?? {} : {};
  return { indexes, schema: validator?.$jsonSchema ?? {} };
}

/** The digits of a decimal of MongoDB are at most 34. */
const DECIMAL = "numeric(38,10)";

/**
 * The lines of YAML that design the table, without what its settings have.
 * @example
 * IN: shop.orders with a TTL index on `at` → OUT: ["# To paste below collections:", "shop.orders:", "  partitionBy:", "    day: at", "  keep: 30 days"]
 */
export function suggestionsOf(
  namespace: Namespace,
  { indexes, schema }: Known,
  sample: readonly Uint8Array[],
  design: Pick<TableDesign, "types" | "fulltext" | "partitionBy">,
): readonly string[] {
  const columns = inferColumns(sample);
  const isDesigned = (root: "data" | "geo", path: string) =>
    design.types?.[root] !== undefined && columnAt(design.types[root], path.split(".")) !== undefined;
  const types: Record<string, string> = {};
  const fulltext: Record<string, unknown> = {};
  const partitions: Record<string, unknown> = {};
  for (
    const { name = "text", key, weights, default_language: language, expireAfterSeconds: ttl } of indexes
  ) {
    for (const [path, kind] of Object.entries(key)) {
      const isPlace = kind === "2dsphere" || kind === "2d";
      if (isPlace && isPossible(path) && !isDesigned("geo", path)) types[path] = placeType(path, sample);
      if (!ttl || design.partitionBy) continue;
      const [unit, seconds] = ttl < 2 * 86_400 ? ["hour", 3_600] : ["day", 86_400];
      partitions.partitionBy = { [unit]: path };
      partitions.keep = `${Math.ceil(ttl / seconds)} ${unit}s`;
    }
    const texts = Object.keys(weights ?? {}).filter((path) => path !== "$**" && isPossible(path));
    if (texts.length === 0 || design.fulltext?.length) continue;
    const analyzer = language === "none" ? "standard" : language;
    fulltext[name] = { columns: texts.map((path) => withArrays(path, columns)), ...analyzer && { analyzer } };
  }
  for (const path of decimalsIn(schema)) {
    const bare = path.replaceAll("[]", "");
    if (isPossible(bare) && !isDesigned("data", bare)) types[path] = DECIMAL;
  }
  const all = {
    ...Object.keys(types).length > 0 && { types },
    ...Object.keys(fulltext).length > 0 && { fulltext },
    ...partitions,
  };
  if (Object.keys(all).length === 0) return [];
  const text = stringify({ [namespaceText(namespace)]: all }).trimEnd();
  return ["# Suggested by its indexes and its validator, to paste below collections:", ...text.split("\n")];
}

const isPossible = (path: string): boolean => !path.split(".").some(isRefusedName);

/** A column of points if all values are points. */
function placeType(path: string, sample: readonly Uint8Array[]): string {
  const { geo } = parseTypes({ [path]: "geo_point" });
  return geo && sample.some((document) => shadowOf(document, geo).isUnfit) ? "geo_shape" : "geo_point";
}

/** The path with the arrays that its values are in. @example IN: tags, {tags: array of text} → OUT: tags[] */
const withArrays = (path: string, columns: Column = objectColumn()): string =>
  path.split(".").map((name, at, names) =>
    name + "[]".repeat(arraysOf(columnAt(columns, names.slice(0, at + 1))))
  ).join(".");

/** @example IN: {properties: {total: {bsonType: "decimal"}, items: {items: {properties: …}}}} → OUT: total, items[].price */
function* decimalsIn({ bsonType, properties = {}, items }: Document, path = ""): Generator<string> {
  if (path !== "" && [bsonType].flat().includes("decimal")) yield path;
  if (items && !Array.isArray(items)) yield* decimalsIn(items, `${path}[]`);
  for (const [name, each] of Object.entries<Document>(properties)) {
    yield* decimalsIn(each, path === "" ? name : `${path}.${name}`);
  }
}

/**
 * What only a rebuild gives to a table that exists and its rows. `missing` are the clauses that a relay adds.
 * @example OUT: ["# The table has other settings (shards: 4, not 1). To apply them: rebuild shop.orders"]
 */
export function rebuildsOf(
  namespace: Namespace,
  { definition, missing }: { readonly definition: string; readonly missing: readonly string[] },
  design: TableDesign,
): readonly string[] {
  const rebuild = `rebuild ${namespaceText(namespace)}`;
  const others = settingsBeside(definition, design).join("; ");
  const isFilled = missing.some((clause) => clause !== `ADD COLUMN ${CDC_COLUMN}`);
  return [
    ...others === "" ? [] : [`# The table has other settings (${others}). To apply them: ${rebuild}`],
    ...isFilled ? [`# Rows that exist have no values in the columns to add. To fill them: ${rebuild}`] : [],
  ];
}
