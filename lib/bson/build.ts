/** Builds BSON from bytes, so that values are kept unchanged. */
import { BSON } from "./library.ts";
import { BsonType, type BsonValue, documentValue, int32At, uint32At, utf8 } from "./bson.ts";

/** @example IN: "n", Int32(1) → OUT: 10 6e 00 01 00 00 00 */
export const elementOf = (name: string, { type, bytes, offset, length }: BsonValue): Uint8Array =>
  joined([
    Uint8Array.of(type),
    new TextEncoder().encode(`${name}\0`),
    bytes.subarray(offset, offset + length),
  ]);

export function documentOf(elements: readonly Uint8Array[]): Uint8Array {
  const document = joined([new Uint8Array(4), ...elements, new Uint8Array(1)]);
  new DataView(document.buffer).setInt32(0, document.length, true);
  return document;
}

/** The bytes of all parts, one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

const SERIALIZE = { ignoreUndefined: false, checkKeys: false } as const;

/** The document that each of these types is stored as. */
const EXPANSIONS: Readonly<Record<number, (value: BsonValue) => Uint8Array>> = {
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
      elementOf("code", { type: BsonType.string, bytes, offset: offset + 4, length: scope - offset - 4 }),
      elementOf("scope", { type: BsonType.document, bytes, offset: scope, length: offset + length - scope }),
    ]);
  },
  [BsonType.dbPointer]: ({ bytes, offset, length }) => {
    const id = offset + length - 12;
    return documentOf([
      elementOf("$ref", { type: BsonType.string, bytes, offset, length: length - 12 }),
      elementOf("$id", { type: BsonType.objectId, bytes, offset: id, length: 12 }),
    ]);
  },
};

/** The document that a value is stored as; undefined if it is not stored as an object. */
export function asDocument(value: BsonValue): BsonValue | undefined {
  if (value.type === BsonType.document) return value;
  const expand = EXPANSIONS[value.type];
  return expand && documentValue(expand(value));
}
