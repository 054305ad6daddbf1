/** Compares a document with its row, and finds the paths that differ. Pure. */
import { BsonType } from "../bson/bson.ts";
import { jsonOf } from "../mapping/bson_to_json.ts";
import { normalizeDocument, normalizeRow } from "../mapping/normalize.ts";
import type { StoredRow } from "../mapping/split_document.ts";
import { type Json, jsonText, parseJson } from "../util/lossless_json.ts";
import type { PathDifference } from "./result.ts";

/**
 * Whether `data` and `overflow` together are the document.
 * @example IN: {_id: 1, t: 20.5}, {data: '{"_id":1}', overflow: '{"t":20.5}'} → OUT: true
 */
export function isEqual(document: Uint8Array, { data, overflow }: StoredRow): boolean {
  if (overflow === null) {
    const json = jsonOf({ type: BsonType.document, bytes: document, offset: 0, length: document.length });
    if (json === data || isSame(JSON.parse(json), JSON.parse(data))) return true;
  }
  return normalizeDocument(document) === normalizeRow(data, overflow, document);
}

/** Whether two parsed JSON values are equal; false if a number may have lost digits. */
function isSame(one: unknown, other: unknown): boolean {
  if (typeof one === "number") return Object.is(one, other) && Math.abs(one) <= Number.MAX_SAFE_INTEGER;
  if (one === null || typeof one !== "object" || other === null || typeof other !== "object") {
    return one === other;
  }
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length &&
      one.every((each, at) => isSame(each, other[at]));
  }
  if (Array.isArray(other)) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(memberOf(one, name), memberOf(other, name)));
}

const MAX_PATHS = 5;
const MAX_VALUE_CHARACTERS = 200;

/**
 * The first paths that differ in two texts of normalized JSON.
 * @example IN: {"_id":1,"a":{"b":1}}, {"_id":1,"a":{"b":2}} → OUT: [{path: "a.b", document: "1", row: "2"}]
 */
export function pathDifferences(document: string, row: string): PathDifference[] {
  return differencesOf(parseJson(document), parseJson(row)).take(MAX_PATHS).toArray();
}

function* differencesOf(document?: Json, row?: Json, path = ""): Generator<PathDifference> {
  if (document instanceof Map && row instanceof Map) {
    for (const name of new Set([...document.keys(), ...row.keys()])) {
      yield* differencesOf(document.get(name), row.get(name), path === "" ? name : `${path}.${name}`);
    }
  } else if (Array.isArray(document) && Array.isArray(row)) {
    for (let at = 0; at < Math.max(document.length, row.length); at++) {
      yield* differencesOf(document[at], row[at], `${path}[${at}]`);
    }
  } else {
    const [one, other] = [document, row].map((each) => each === undefined ? undefined : jsonText(each));
    if (one !== other) yield { path, document: shortened(one), row: shortened(other) };
  }
}

const shortened = (text: string | undefined): string | undefined =>
  text !== undefined && text.length > MAX_VALUE_CHARACTERS ? `${text.slice(0, MAX_VALUE_CHARACTERS)}…` : text;

/**
 * Whether a row has values that its columns cannot hold. Nulls in `overflow`, and arrays that `data` has without their
 * nulls, do not count.
 */
export function isOverflowed({ data, overflow }: StoredRow): boolean {
  const hasValue = (value: unknown, inData: unknown): boolean => {
    if (value === null) return false;
    if (Array.isArray(value)) return !Array.isArray(inData);
    if (typeof value !== "object") return true;
    return Object.entries(value).some(([name, each]) => hasValue(each, memberOf(inData, name)));
  };
  return overflow !== null && hasValue(JSON.parse(overflow), JSON.parse(data));
}

const memberOf = (object: unknown, name: string): unknown =>
  object !== null && typeof object === "object" && Object.hasOwn(object, name)
    ? (object as Record<string, unknown>)[name]
    : undefined;
