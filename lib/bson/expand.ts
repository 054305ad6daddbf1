/** BSON types that are stored as an object, and the document that stands for each. */
import { BSON } from "mongodb";
import { BsonType, type BsonValue, bytesOf, int32At, uint32At, utf8 } from "./bson.ts";

const SERIALIZE = { ignoreUndefined: false, checkKeys: false } as const;

/** The document of each type. */
export const EXPANSIONS: Readonly<Record<number, (value: BsonValue) => Uint8Array>> = {
  [BsonType.timestamp]: ({ bytes, offset }) =>
    BSON.serialize({ t: BigInt(uint32At(bytes, offset + 4)), i: BigInt(uint32At(bytes, offset)) }, SERIALIZE),
  [BsonType.regex]: ({ bytes, offset, length }) => {
    const middle = bytes.indexOf(0, offset);
    const pattern = utf8(bytes, offset, middle);
    return BSON.serialize({ pattern, options: utf8(bytes, middle + 1, offset + length - 1) }, SERIALIZE);
  },
  [BsonType.codeWithScope]: ({ bytes, offset, length }) => {
    const scope = offset + 8 + int32At(bytes, offset + 4);
    return documentOf([
      {
        name: "code",
        value: { type: BsonType.string, bytes, offset: offset + 4, length: scope - offset - 4 },
      },
      {
        name: "scope",
        value: { type: BsonType.document, bytes, offset: scope, length: offset + length - scope },
      },
    ]);
  },
  [BsonType.dbPointer]: ({ bytes, offset, length }) => {
    const id = offset + length - 12;
    return documentOf([
      { name: "$ref", value: { type: BsonType.string, bytes, offset, length: length - 12 } },
      { name: "$id", value: { type: BsonType.objectId, bytes, offset: id, length: 12 } },
    ]);
  },
};

function documentOf(entries: readonly { name: string; value: BsonValue }[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts = entries.flatMap(({ name, value }) => [
    Uint8Array.of(value.type),
    encoder.encode(`${name}\0`),
    bytesOf(value),
  ]);
  const size = parts.reduce((sum, part) => sum + part.length, 5);
  const document = new Uint8Array(size);
  new DataView(document.buffer).setInt32(0, size, true);
  let offset = 4;
  for (const part of parts) {
    document.set(part, offset);
    offset += part.length;
  }
  return document;
}

/** The document that a value is stored as; undefined if it is not stored as an object. */
export function asDocument(value: BsonValue): BsonValue | undefined {
  if (value.type === BsonType.document) return value;
  const expand = EXPANSIONS[value.type];
  if (!expand) return undefined;
  const bytes = expand(value);
  return { type: BsonType.document, bytes, offset: 0, length: bytes.length };
}
