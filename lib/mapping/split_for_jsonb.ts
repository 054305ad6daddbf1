/** Splits a document for a JSONB column of PostgreSQL, which changes few values. */
import { BsonType, type BsonValue, float64At, itemsOf, stringAt } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { type Field, fieldsOf } from "../bson/fields.ts";
import { jsonBytes, jsonOfBytes, JsonWriter, latin1, SIGN } from "../util/json_writer.ts";
import { jsonText, parseJson } from "../util/lossless_json.ts";
import { writeJson } from "./bson_to_json.ts";
import { escapeNames, mayNeedEscaping } from "./escape_name.ts";

const json = new JsonWriter();
const rest = new JsonWriter();

/** For JSONB, which refuses NUL and drops the sign of zero. @example IN: {a: -0.0, d: 1} → OUT: {data: {"d":1}, overflow: {"a":-0.0}} */
export function splitForJsonb(document: BsonValue): { data: Uint8Array; overflow: Uint8Array | null } {
  json.begin(document.length);
  writeJson(json, document);
  const whole = json.take();
  if (!SUSPECT.test(latin1(whole)) || !isChanged(document)) return { data: whole, overflow: null };
  const fields = fieldsToSplit(document);
  if (!fields) return { data: EMPTY, overflow: escapedNames(whole) };
  rest.begin(0);
  splitFields(fields);
  return { data: json.take(), overflow: escapedNames(rest.take()) };
}

/** The escape of a NUL or what looks like one, and negative zero. */
const SUSPECT = /\\u0000|-0\.0/;
const EMPTY = jsonBytes("{}");

/** The types whose values may have a NUL. */
const TEXTS: readonly number[] = [BsonType.string, BsonType.symbol, BsonType.code];

const escapedNames = (overflow: Uint8Array): Uint8Array =>
  mayNeedEscaping(overflow) ? jsonBytes(jsonText(escapeNames(parseJson(jsonOfBytes(overflow))))) : overflow;

/** The fields of an object of which only a part has to go to `overflow`. */
function fieldsToSplit(value: BsonValue): readonly Field[] | undefined {
  const document = asDocument(value);
  const found = document && fieldsOf(document);
  return found?.repeats.size === 0 ? found.fields : undefined;
}

/** Writes the smallest values outside any array that JSONB would change to `rest`, and the others to `json`. */
function splitFields(fields: readonly Field[]): void {
  json.sign(SIGN.objectStart);
  rest.sign(SIGN.objectStart);
  const starts = [json.length, rest.length] as const;
  for (const field of fields) {
    const changed = isChanged(field);
    const inside = changed ? fieldsToSplit(field) : undefined;
    if (!changed || inside) json.member(field.name.json, starts[0]);
    if (changed) rest.member(field.name.json, starts[1]);
    if (inside) splitFields(inside);
    else writeJson(changed ? rest : json, field);
  }
  json.sign(SIGN.objectEnd);
  rest.sign(SIGN.objectEnd);
}

function isChanged(value: BsonValue): boolean {
  const { type, bytes, offset } = value;
  if (type === BsonType.double) return Object.is(float64At(bytes, offset), -0);
  if (type === BsonType.array) return itemsOf(value).some(isChanged);
  if (TEXTS.includes(type)) return stringAt(bytes, offset).includes("\0");
  const document = asDocument(value);
  return document !== undefined && fieldsOf(document).fields.some(isChanged);
}
