/** The text of a document's `_id`: equal text exactly where MongoDB holds the keys equal. */
import { BSON } from "mongodb";
import { BsonType, type BsonValue, float64At, hexAt, int32At, int64At, stringAt, wrapped } from "./bson.ts";

/** Text of a string that another type's text could be taken for. */
const AMBIGUOUS = /^(?:[0-9a-f]{24}$|["{[]|-?\d|-?Infinity$|NaN$|true$|false$|null$)/i;

/**
 * `_id` → `oid`, injective.
 *
 * @example
 * IN: ObjectId("669683c2b0750b2c84893f3e") → OUT: 669683c2b0750b2c84893f3e
 * IN: "foo" → OUT: foo
 * IN: "42" → OUT: "42" (with the quotes)
 * IN: Int32(42), Long(42), Double(42) → OUT: 42
 * IN: UUID → OUT: {"$binary":{"base64":"…","subType":"04"}}
 */
export function keyText(id: BsonValue): string {
  const text = KEY_TEXTS[id.type];
  return text ? text(id) : extendedJson(id);
}

const KEY_TEXTS: Readonly<Record<number, (id: BsonValue) => string>> = {
  [BsonType.objectId]: ({ bytes, offset }) => hexAt(bytes, offset, 12),
  [BsonType.string]: ({ bytes, offset }) => {
    const text = stringAt(bytes, offset);
    return AMBIGUOUS.test(text) || text === "" ? JSON.stringify(text) : text;
  },
  [BsonType.int32]: ({ bytes, offset }) => String(int32At(bytes, offset)),
  [BsonType.int64]: ({ bytes, offset }) => String(int64At(bytes, offset)),
  [BsonType.double]: ({ bytes, offset }) => {
    const value = float64At(bytes, offset);
    return Number.isInteger(value) ? BigInt(value).toString() : String(value);
  },
  [BsonType.boolean]: ({ bytes, offset }) => bytes[offset] === 1 ? "true" : "false",
  [BsonType.null]: () => "null",
};

/** Canonical Extended JSON of one value. */
function extendedJson(value: BsonValue): string {
  const { "": inner } = BSON.deserialize(wrapped(value), { promoteValues: false });
  return BSON.EJSON.stringify(inner, { relaxed: false });
}
