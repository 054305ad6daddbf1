/** A document as JSON, by the table of types alone, whatever columns exist. */
import { BsonType, type BsonValue, itemsOf } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { type Name, SLOTS } from "../bson/field_name_cache.ts";
import { type Field, type Fields, fieldsOf } from "../bson/fields.ts";
import { UnstorableError } from "../util/errors.ts";
import { SCALARS } from "./column_types.ts";
import { escapeName } from "./escape_name.ts";

/** How a name is written as JSON, with the colon. */
export type Spelling = (name: Name) => string;
const plain: Spelling = ({ json }) => json;

type Escaped = { readonly name: Name; readonly json: string };
const escapedNames = new Array<Escaped | undefined>(SLOTS).fill(undefined);

/** The spelling in `overflow` below its first level. Escapes a name once for as long as it is cached. */
export function escaped(name: Name): string {
  const known = escapedNames[name.slot];
  if (known?.name === name) return known.json;
  const text = escapeName(name.text);
  const json = text === name.text ? name.json : `${JSON.stringify(text)}:`;
  escapedNames[name.slot] = { name, json };
  return json;
}

/** @example IN: {n: Long(9007199254740993), d: Double(1), at: Date(0)} → OUT: {"n":9007199254740993,"d":1.0,"at":0} */
export function jsonOf(value: BsonValue, spelling: Spelling = plain): string {
  const scalar = SCALARS[value.type];
  if (scalar) return scalar.json(value.bytes, value.offset, value.length);
  if (value.type === BsonType.array) {
    return `[${itemsOf(value).map((each) => jsonOf(each, spelling)).join(",")}]`;
  }
  const document = asDocument(value);
  if (!document) throw new UnstorableError(`Unknown BSON type ${value.type}`);
  const { fields, repeats } = fieldsOf(document);
  if (repeats.size > 0) return repeatedJson({ fields, repeats }, spelling);
  let json = "";
  for (const field of fields) {
    json += `${json === "" ? "" : ","}${spelling(field.name)}${jsonOf(field, spelling)}`;
  }
  return `{${json}}`;
}

/** Puts a name that repeats at its first occurrence, with all its values. */
function repeatedJson({ fields, repeats }: Fields, spelling: Spelling): string {
  const json = new Map(fields.map((field) => {
    const equal = repeats.get(field.name.text);
    return [spelling(field.name), equal ? repeatJson(equal, spelling) : jsonOf(field, spelling)];
  }));
  return `{${[...json].map(([name, value]) => `${name}${value}`).join(",")}}`;
}

/** All values of a name that repeats. @example IN: the fields a: 1, a: 3 → OUT: {"$duplicateKey":[1,3]} */
export const repeatJson = (equal: readonly Field[], spelling: Spelling = plain): string =>
  `{"$duplicateKey":[${equal.map((each) => jsonOf(each, spelling)).join(",")}]}`;
