/** Splits a document for PostgreSQL's JSONB, which refuses the character NUL and drops the sign of zero. */
import { BsonType, type BsonValue, float64At, itemsOf } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { fieldsOf } from "../bson/fields.ts";
import { jsonText, parseJson } from "../util/lossless_json.ts";
import { jsonOf } from "./bson_to_json.ts";
import { escapeNames, mayNeedEscaping } from "./escape_name.ts";

/**
 * @example
 * IN: {_id: 1, a: "x\0", b: {c: -0.0, d: 1}}
 * OUT: {data: '{"_id":1,"b":{"d":1}}', overflow: '{"a":"x\\u0000","b":{"c":-0.0}}'}
 */
export function splitForJsonb(document: BsonValue): { data: string; overflow: string | null } {
  const json = jsonOf(document);
  if (!SUSPECT.test(json)) return { data: json, overflow: null };
  const { data = "{}", overflow = null } = split(document);
  const needsEscaping = overflow !== null && mayNeedEscaping(overflow);
  return { data, overflow: needsEscaping ? jsonText(escapeNames(parseJson(overflow))) : overflow };
}

/** The escape of a NUL; not an escaped backslash before `u0000`. */
const NUL = /(?<!\\)(?:\\\\)*\\u0000/;
const SUSPECT = /\\u0000|-0\.0/;

/** Moves the smallest value outside any array to `overflow` that JSONB would change. */
function split(value: BsonValue): { data: string | undefined; overflow: string | undefined } {
  if (!isChanged(value)) return { data: jsonOf(value), overflow: undefined };
  const document = asDocument(value);
  const found = document && fieldsOf(document);
  if (!found || found.repeats.size > 0) return { data: undefined, overflow: jsonOf(value) };
  const data: string[] = [];
  const overflow: string[] = [];
  for (const field of found.fields) {
    const parts = split(field);
    if (parts.data !== undefined) data.push(field.name.json + parts.data);
    if (parts.overflow !== undefined) overflow.push(field.name.json + parts.overflow);
  }
  return { data: `{${data.join(",")}}`, overflow: `{${overflow.join(",")}}` };
}

function isChanged(value: BsonValue): boolean {
  const { type, bytes, offset } = value;
  if (type === BsonType.double) return Object.is(float64At(bytes, offset), -0);
  if (type === BsonType.array) return itemsOf(value).some(isChanged);
  const document = asDocument(value);
  return document ? fieldsOf(document).fields.some(isChanged) : NUL.test(jsonOf(value));
}
