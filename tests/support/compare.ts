/** Whether a table is what a collection says: each document's row right, and no row beside. */
import assert from "node:assert/strict";
import { BsonType, fields } from "../../lib/row/bson.ts";
import { jsonOf } from "../../lib/row/json.ts";
import { keyText } from "../../lib/row/key.ts";
import { eventually, type EventuallyOptions } from "../../lib/testdrive/eventually.ts";
import type { CratedbContext } from "./cratedb_harness.ts";

/** What differs of one key, as canonical JSON; undefined where there is no document or no row. */
export interface Difference {
  readonly oid: string;
  readonly document: string | undefined;
  readonly row: string | undefined;
}

export type Compared = Pick<CratedbContext, "mongodb" | "database" | "sql" | "schema" | "table">;

export interface CompareOptions {
  /** @default "data" */
  readonly collection?: string;
}

/**
 * @example
 * IN: collection [{_id: 1, t: 20.5}], table [{oid: "1", data: {_id: 1, t: 20}}]
 * OUT: [{oid: "1", document: '{"_id":1,"t":20.5}', row: '{"_id":1,"t":20}'}]
 */
export async function compare(context: Compared, options: CompareOptions = {}): Promise<Difference[]> {
  const [documents, rows] = await Promise.all([documentsOf(context, options), wholeRows(context)]);
  return [...new Set([...documents.keys(), ...rows.keys()])]
    .map((oid) => ({ oid, document: documents.get(oid), row: rows.get(oid) }))
    .filter(({ document, row }) => document !== row);
}

/** Resolves when nothing differs; at the time-out, throws with the first differences. */
export const inStep = (context: Compared, options: CompareOptions & EventuallyOptions = {}): Promise<void> =>
  eventually(async () => {
    const differing = await compare(context, options);
    assert.deepEqual(differing.slice(0, 5), [], `${differing.length} keys differ`);
  }, options);

async function documentsOf(
  { mongodb, database }: Compared,
  { collection = "data" }: CompareOptions,
): Promise<Map<string, string>> {
  const documents = new Map<string, string>();
  for await (const raw of mongodb.db(database).collection(collection).find({}, { raw: true })) {
    const bytes = raw as unknown as Uint8Array;
    const id = fields(bytes).get("_id");
    assert.ok(id);
    const document = { type: BsonType.document, bytes, offset: 0, length: bytes.length };
    documents.set(keyText(id), canonicalJson(jsonOf(document)));
  }
  return documents;
}

/** Canonical JSON of `data` and `overflow` merged, by `oid`. */
export async function wholeRows({ sql, schema, table }: Compared): Promise<Map<string, string>> {
  await sql(`REFRESH TABLE "${schema}"."${table}"`);
  const rows = await sql(
    `SELECT oid, data::text AS data, overflow::text AS overflow FROM "${schema}"."${table}"`,
  );
  return new Map(rows.map(({ oid, data, overflow }) => {
    const whole = overflow === null
      ? parse(String(data))
      : merge(parse(String(data)), parse(String(overflow)));
    return [String(oid), canonical(whole)];
  }));
}

/** @example IN: {"b":1.0,"a":9007199254740993} → OUT: {"a":9007199254740993,"b":1} */
export const canonicalJson = (text: string): string => canonical(parse(text));

type Json = null | boolean | string | number | bigint | Json[] | Map<string, Json>;

/** JSON with all digits: integers become bigints, objects become maps. */
function parse(text: string): Json {
  const revive = (_key: string, value: unknown, { source = "" }: { source?: string } = {}): unknown => {
    if (typeof value === "number") return /^-?\d+$/.test(source) ? BigInt(source) : value;
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value) &&
      !(value instanceof Map);
    return isObject ? new Map(Object.entries(value)) : value;
  };
  return JSON.parse(text, revive);
}

/**
 * Objects are merged. An array may be in both when nulls in its objects are all that `data` lacks; any other value
 * that is in both is shown as such, and so differs from the document's.
 */
function merge(data: Json, overflow: Json): Json {
  if (Array.isArray(overflow) && canonical(data) === canonical(withoutNulls(overflow))) return overflow;
  if (!(data instanceof Map && overflow instanceof Map)) return ["in data and in overflow", data, overflow];
  const merged = new Map(data);
  for (const [name, value] of overflow) {
    const present = merged.get(name);
    merged.set(name, present === undefined ? value : merge(present, value));
  }
  return merged;
}

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!(value instanceof Map)) return value;
  return new Map([...value].flatMap(([name, each]) => each === null ? [] : [[name, withoutNulls(each)]]));
}

/** Equal text for what is equal: the order of keys is of no account, nor is the fraction of 1.0. */
function canonical(value: Json): string {
  if (value instanceof Map) {
    const members = [...value].sort(([one], [other]) => one < other ? -1 : 1);
    return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(",")}}`;
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "number" && typeof value !== "bigint") return JSON.stringify(value);
  if (Object.is(value, -0)) return "-0.0";
  return Number.isInteger(value) ? String(BigInt(value)) : String(value);
}
