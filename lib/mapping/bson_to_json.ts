/** A document as JSON, by the table of types alone, whatever columns exist. */
import { BsonType, type BsonValue, itemsOf } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { isKept, type Name, SLOTS } from "../bson/field_name_cache.ts";
import { type Field, fieldsOf } from "../bson/fields.ts";
import { UnstorableError } from "../util/errors.ts";
import { jsonOfBytes, type JsonPart, jsonPart, JsonWriter, SIGN } from "../util/json_writer.ts";
import { SCALARS } from "./column_types.ts";
import { escapeName, escapeTopName, isReadable } from "./escape_name.ts";

/** How a name is written as JSON, with the colon; undefined if it must not be written. */
export type Spelling = (name: Name) => JsonPart | undefined;

const plain: Spelling = ({ json }) => json;

/** Spells a name once for as long as it is cached. */
function spelling(spell: (name: string) => string): (name: Name) => JsonPart {
  const known = new Array<{ readonly name: Name; readonly json: JsonPart } | undefined>(SLOTS).fill(
    undefined,
  );
  return (name) => {
    const cached = known[name.slot];
    if (cached?.name === name) return cached.json;
    const text = spell(name.text);
    const json = text === name.text ? name.json : jsonPart(`${JSON.stringify(text)}:`);
    if (isKept(name)) known[name.slot] = { name, json };
    return json;
  };
}

/** The spellings in `overflow`: below its first level, and at it. */
export const escaped = spelling(escapeName);
export const escapedAtTop = spelling(escapeTopName);

/** The spellings in an OBJECT(IGNORED), only of names that CrateDB returns unchanged. */
const unescaped: Spelling = (name) => escaped(name) === name.json ? name.json : undefined;
const unescapedAtTop: Spelling = (name) => isReadable(name.text) ? name.json : undefined;

/**
 * Writes a value, with another spelling of the names at its top if given.
 *
 * @returns false if a name must not be written: take back what was written
 */
export function writeJson(json: JsonWriter, value: BsonValue, below: Spelling = plain, top = below): boolean {
  const scalar = SCALARS[value.type];
  if (scalar) {
    scalar.json(json, value.bytes, value.offset, value.length);
    return true;
  }
  if (value.type === BsonType.array) return writeItems(json, itemsOf(value), below);
  const document = asDocument(value);
  if (!document) throw new UnstorableError(`Unknown BSON type ${value.type}`);
  const { fields, repeats } = fieldsOf(document);
  const written = repeats.size > 0 ? firsts(fields) : fields;
  json.sign(SIGN.objectStart);
  let isFirst = true;
  for (const field of written) {
    const name = top(field.name);
    if (!name) return false;
    if (!isFirst) json.sign(SIGN.comma);
    isFirst = false;
    json.part(name);
    const equal = repeats.get(field.name.text);
    if (!(equal ? writeRepeat(json, equal, below) : writeJson(json, field, below))) return false;
  }
  json.sign(SIGN.objectEnd);
  return true;
}

/** A name that repeats stands at its first occurrence, with all its values. */
const firsts = (fields: readonly Field[]): Iterable<Field> =>
  new Map(fields.map((field) => [field.name.text, field])).values();

/** All values of a name that repeats. @example IN: the fields a: 1, a: 3 → OUT: {"$duplicateKey":[1,3]} */
export function writeRepeat(json: JsonWriter, equal: readonly Field[], spelling: Spelling = plain): boolean {
  json.part(DUPLICATE_KEY);
  const isWritten = writeItems(json, equal, spelling);
  json.sign(SIGN.objectEnd);
  return isWritten;
}

const DUPLICATE_KEY = jsonPart('{"$duplicateKey":');

function writeItems(json: JsonWriter, items: readonly BsonValue[], spelling: Spelling): boolean {
  json.sign(SIGN.arrayStart);
  let isFirst = true;
  for (const item of items) {
    if (!isFirst) json.sign(SIGN.comma);
    isFirst = false;
    if (!writeJson(json, item, spelling)) return false;
  }
  json.sign(SIGN.arrayEnd);
  return true;
}

/** Writes a value of an OBJECT(IGNORED). @returns false if CrateDB would not return its names unchanged */
export const writeUnescaped = (json: JsonWriter, value: BsonValue): boolean =>
  writeJson(json, value, unescaped);

/** Writes an OBJECT(IGNORED) as a whole; CrateDB returns more names unchanged at its first level. */
export const writeIgnored = (json: JsonWriter, value: BsonValue): boolean =>
  writeJson(json, value, unescaped, unescapedAtTop);

const writer = new JsonWriter();

/** @example IN: {n: Long(9007199254740993), d: Double(1), at: Date(0)} → OUT: {"n":9007199254740993,"d":1.0,"at":0} */
export function jsonOf(value: BsonValue): string {
  writer.begin(value.length);
  writeJson(writer, value);
  return jsonOfBytes(writer.take());
}
