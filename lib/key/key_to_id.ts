/** Turns the text of a key back into an `_id`. */
import { BSON, type Document } from "mongodb";
import type { BsonValue } from "../bson/bson.ts";
import { Digits, type Json, parseJson } from "../util/lossless_json.ts";
import { keyText } from "./key_text.ts";
import { bsonValueOf } from "./query_literal.ts";

/** An `_id` with this text; undefined for a hash. @example IN: 42 → OUT: Long(42); IN: "42" (with the quotes) → OUT: "42" */
export function idOfKey(text: string): BsonValue | undefined {
  try {
    const id = bsonValueOf(guess(text));
    return id && keyText(id) === text ? id : undefined;
  } catch {
    return undefined;
  }
}

const WORDS: ReadonlyMap<string, unknown> = new Map([["true", true], ["false", false], ["null", null]]);

function guess(text: string): unknown {
  if (/^[0-9a-f]{24}$/.test(text)) return new BSON.ObjectId(text);
  if (/^[{["]/.test(text)) return valueOf(parseJson(text));
  if (/^-?(?:\d|Infinity$)|^NaN$/.test(text)) return numberOf(text);
  return WORDS.has(text) ? WORDS.get(text) : text;
}

function numberOf(text: string): unknown {
  if (!/^-?\d+$/.test(text)) return new BSON.Double(Number(text));
  const whole = BigInt(text);
  if (BigInt.asIntN(64, whole) === whole) return BSON.Long.fromBigInt(whole);
  const nearest = Number(text);
  return Number.isFinite(nearest) && BigInt(nearest) === whole
    ? new BSON.Double(nearest)
    : BSON.Decimal128.fromString(text);
}

/** Types whose text is their Extended JSON. */
const TYPES = new Set(["$oid", "$date", "$timestamp", "$binary", "$numberDecimal", "$minKey", "$maxKey"]);

function valueOf(json: Json): unknown {
  if (json instanceof Digits) return numberOf(json.text);
  if (Array.isArray(json)) return json.map(valueOf);
  if (!(json instanceof Map)) return json;
  const [name = ""] = json.keys();
  if (json.size === 1 && TYPES.has(name)) {
    return BSON.EJSON.deserialize(plain(json) as Document, { relaxed: false });
  }
  return new Map([...json].map(([key, each]) => [key.replace(/^\$\$/, "$"), valueOf(each)]));
}

function plain(json: Json): unknown {
  if (json instanceof Digits) return Number(json.text);
  if (json instanceof Map) return Object.fromEntries([...json].map(([name, value]) => [name, plain(value)]));
  return Array.isArray(json) ? json.map(plain) : json;
}
