/**
 * Reads BSON in place, without building JavaScript values, so that the order of names, repeated names, all 64 bits of an
 * integer and dates beyond JavaScript's range are kept. See https://bsonspec.org/spec.html
 */
import { BSON } from "./library.ts";
import { BsonType, type BsonValue, ElementCursor } from "./element_cursor.ts";
import { utf8 } from "./field_name_cache.ts";

export { BsonType, type BsonValue, ElementCursor, utf8 };

const { ByteUtils, NumberUtils } = BSON;

export function itemsOf({ bytes, offset }: BsonValue): BsonValue[] {
  const items: BsonValue[] = [];
  const item = new ElementCursor(bytes, offset);
  while (item.next()) items.push(item.value);
  return items;
}

export const documentValue = (bytes: Uint8Array): BsonValue => ({
  type: BsonType.document,
  bytes,
  offset: 0,
  length: bytes.length,
});

/** A string, symbol or code value: `int32 length, bytes, 0x00`. */
export const stringAt = (bytes: Uint8Array, offset: number): string =>
  utf8(bytes, offset + 4, offset + 3 + NumberUtils.getInt32LE(bytes, offset));

export const int32At: (bytes: Uint8Array, offset: number) => number = NumberUtils.getInt32LE;
export const uint32At: (bytes: Uint8Array, offset: number) => number = NumberUtils.getUint32LE;
export const int64At: (bytes: Uint8Array, offset: number) => bigint = NumberUtils.getBigInt64LE;
export const float64At: (bytes: Uint8Array, offset: number) => number = NumberUtils.getFloat64LE;
export const hexAt = (bytes: Uint8Array, offset: number, length: number): string =>
  bytesToHex(bytes.subarray(offset, offset + length));
export const base64At = (bytes: Uint8Array, offset: number, length: number): string =>
  ByteUtils.toBase64(bytes.subarray(offset, offset + length));

/** The values of a document by name; the last one of a name that repeats. @example IN: {a: "x"} → OUT: Map { "a" → {type: 2, …} } */
export function fieldsByName(bytes: Uint8Array, offset = 0): Map<string, BsonValue> {
  const found = new Map<string, BsonValue>();
  const element = new ElementCursor(bytes, offset);
  while (element.next()) found.set(element.name.text, element.value);
  return found;
}

export const bytesOf = ({ bytes, offset, length }: BsonValue): Uint8Array =>
  bytes.subarray(offset, offset + length);

/** Canonical Extended JSON, or base64 if that would change it. @example IN: {_id: 1} → OUT: {"_id":{"$numberInt":"1"}} */
export function extendedJson(document: Uint8Array): string {
  try {
    const text = BSON.EJSON.stringify(BSON.deserialize(document, LOSSLESS), { relaxed: false });
    if (ByteUtils.equals(documentOfExtendedJson(text), document)) return text;
  } catch {
    // Invalid BSON.
  }
  return bytesJson(document);
}

/** A document's bytes as JSON that {@linkcode documentOfExtendedJson} reads. @example OUT: {"$bson":"BQAAAAA="} */
export const bytesJson = (document: Uint8Array): string =>
  JSON.stringify({ [BYTES]: ByteUtils.toBase64(document) });

/** The inverse of {@linkcode extendedJson}. */
export function documentOfExtendedJson(text: string): Uint8Array {
  const document = BSON.EJSON.parse(text, { relaxed: false });
  return Object.keys(document).join() === BYTES && typeof document[BYTES] === "string"
    ? ByteUtils.fromBase64(document[BYTES])
    : BSON.serialize(document, { ignoreUndefined: false });
}

const BYTES = "$bson";
const LOSSLESS = { promoteValues: false, bsonRegExp: true } as const;

/** Three times as fast as the driver's, which Node.js before version 25 needs. */
const nativeToHex = (Uint8Array.prototype as { toHex?: (this: Uint8Array) => string }).toHex;

export const bytesToHex: (bytes: Uint8Array) => string = nativeToHex
  ? (bytes) => nativeToHex.call(bytes)
  : ByteUtils.toHex;
export const bytesFromHex = (hex: string): Uint8Array => ByteUtils.fromHex(hex);
