/** A document as JSON, by the type table alone, regardless of columns. */
import { BsonType, type BsonValue, elements } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { UnstorableError } from "../bson/unstorable_error.ts";
import { SCALARS } from "./column_types.ts";
import { type Field, fieldsOf } from "../bson/fields.ts";
import { type Name, SLOTS } from "../bson/field_name_cache.ts";
import { escapeName } from "./escape_name.ts";

/** How a name is written as JSON, with the colon. */
export type Spelling = (name: Name) => string;
const plain: Spelling = ({ json }) => json;

const escapedNames = new Array<{ readonly name: Name; readonly json: string } | undefined>(SLOTS).fill(
  undefined,
);

/** As `overflow` needs it below its first level. A name is escaped once for as long as it is cached. */
export function escaped(name: Name): string {
  const known = escapedNames[name.slot];
  if (known?.name === name) return known.json;
  const text = escapeName(name.text);
  const json = text === name.text ? name.json : `${JSON.stringify(text)}:`;
  escapedNames[name.slot] = { name, json };
  return json;
}

/**
 * JSON text of a BSON value.
 *
 * @example
 * IN: {n: Long(9007199254740993), d: Double(1), at: Date(0)}
 * OUT: {"n":9007199254740993,"d":1.0,"at":0}
 *
 * @throws UnstorableError
 */
export function jsonOf(value: BsonValue, spelling: Spelling = plain): string {
  const scalar = SCALARS[value.type];
  if (scalar) return scalar.json(value.bytes, value.offset, value.length);
  if (value.type === BsonType.array) {
    const items: string[] = [];
    for (const [type, , , offset, length] of elements(value.bytes, value.offset)) {
      items.push(jsonOf({ type, bytes: value.bytes, offset, length }, spelling));
    }
    return `[${items.join(",")}]`;
  }
  const document = asDocument(value);
  if (!document) throw new UnstorableError(`Unknown BSON type ${value.type}`);
  const { fields, repeated } = fieldsOf(document);
  if (repeated) return repeatedJson({ document, fields }, spelling);
  let json = "";
  for (const field of fields) {
    json += `${json === "" ? "" : ","}${spelling(field.name)}${jsonOf(field, spelling)}`;
  }
  return `{${json}}`;
}

/** Puts a key that an object has more than once where it is first, with all its values. */
function repeatedJson(
  { document, fields }: { document: BsonValue; fields: readonly Field[] },
  spelling: Spelling,
): string {
  const repeats = duplicates(document, spelling);
  const json = new Map(fields.map((field) => [
    spelling(field.name),
    repeats.get(field.name.text) ?? jsonOf(field, spelling),
  ]));
  return `{${[...json].map(([name, value]) => `${name}${value}`).join(",")}}`;
}

/**
 * The keys that an object has more than once, with the JSON of all their values.
 *
 * @example
 * IN: {a: 1, b: 2, a: 3} → OUT: Map { "a" → '{"$duplicateKey":[1,3]}' }
 */
export function duplicates(
  document: BsonValue,
  spelling: Spelling = plain,
): ReadonlyMap<string, string> {
  const values = Map.groupBy(fieldsOf(document).fields, ({ name }) => name.text);
  return new Map(
    [...values].filter(([, { length }]) => length > 1)
      .map((
        [name, equal],
      ) => [name, `{"$duplicateKey":[${equal.map((each) => jsonOf(each, spelling)).join(",")}]}`]),
  );
}
