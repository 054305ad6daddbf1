/** Splits a document for PostgreSQL's JSONB, which takes nearly everything. Pure. */
import { BsonType, type BsonValue, elements, float64At } from "../bson/bson.ts";
import { jsonOf } from "./bson_to_json.ts";
import { asDocument } from "../bson/build.ts";
import { jsonText, parseJson } from "../util/lossless_json.ts";
import { fieldsOf } from "../bson/fields.ts";
import { escapeNames, mayNeedEscaping } from "./escape_name.ts";

export interface SplitJson {
  readonly data: string;
  readonly overflow: string | null;
}

/**
 * JSONB refuses the character NUL and drops the sign of zero. Most documents have neither.
 *
 * @example
 * IN: {_id: 1, a: "x\0", b: {c: -0.0, d: 1}}
 * OUT: {data: '{"_id":1,"b":{"d":1}}', overflow: '{"a":"x\\u0000","b":{"c":-0.0}}'}
 */
export function splitForJsonb(document: BsonValue): SplitJson {
  const json = jsonOf(document);
  if (!SUSPECT.test(json)) return { data: json, overflow: null };
  const { data = "{}", overflow = null } = split(document);
  const needsEscaping = overflow !== null && mayNeedEscaping(overflow);
  return { data, overflow: needsEscaping ? jsonText(escapeNames(parseJson(overflow))) : overflow };
}

/** The escape of a NUL; not an escaped backslash before `u0000`. */
const NUL = /(?<!\\)(?:\\\\)*\\u0000/;
const SUSPECT = /\\u0000|-0\.0/;

interface Split {
  readonly data: string | undefined;
  readonly overflow: string | undefined;
}

/** Leaves the smallest value outside any array out of `data` that JSONB would change. */
function split(value: BsonValue): Split {
  if (!isChanged(value)) return { data: jsonOf(value), overflow: undefined };
  const document = asDocument(value);
  const { fields, repeated } = document ? fieldsOf(document) : { fields: [], repeated: false };
  if (!document || repeated) return { data: undefined, overflow: jsonOf(value) };
  const data: string[] = [];
  const overflow: string[] = [];
  for (const field of fields) {
    const parts = split(field);
    if (parts.data !== undefined) data.push(field.name.json + parts.data);
    if (parts.overflow !== undefined) overflow.push(field.name.json + parts.overflow);
  }
  return { data: `{${data.join(",")}}`, overflow: `{${overflow.join(",")}}` };
}

function isChanged(value: BsonValue): boolean {
  const { type, bytes, offset } = value;
  if (type === BsonType.double) return Object.is(float64At(bytes, offset), -0);
  if (type === BsonType.array) {
    return Array.from(elements(bytes, offset)).some(([type, , , offset, length]) =>
      isChanged({ type, bytes, offset, length })
    );
  }
  const document = asDocument(value);
  return document ? fieldsOf(document).fields.some(isChanged) : NUL.test(jsonOf(value));
}
