import { BSON } from "./library.ts";
import { type Name, nameAt } from "./field_name_cache.ts";
import { UnstorableError } from "../util/errors.ts";

/** The element types of the BSON specification. */
export const BsonType = {
  double: 0x01,
  string: 0x02,
  document: 0x03,
  array: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  null: 0x0a,
  regex: 0x0b,
  dbPointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  codeWithScope: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal128: 0x13,
  maxKey: 0x7f,
  minKey: 0xff,
} as const;

/** A value inside `bytes`: its offset and its length in bytes. */
export interface BsonValue {
  readonly type: number;
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

/** The shortest document: its size and its terminator. */
const MIN_DOCUMENT_BYTES = 5;

/** Steps through the elements of a document without creating an object for each: `while (element.next()) …`. */
export class ElementCursor {
  readonly bytes: Uint8Array;
  type = 0;
  nameOffset = 0;
  nameLength = 0;
  /** The offset and the length of the value. */
  offset = 0;
  length = 0;
  #next: number;
  readonly #end: number;

  /** @throws UnstorableError if the bytes are not a document, as does {@linkcode next} */
  constructor(bytes: Uint8Array, start = 0) {
    const room = bytes.length - start;
    if (room < MIN_DOCUMENT_BYTES) {
      throw invalid(`A document takes at least 5 bytes, and ${room} are left`, start);
    }
    const size = sizeAt(bytes, start);
    if (size < MIN_DOCUMENT_BYTES || size > room) {
      throw invalid(`A document of ${size} bytes in ${room}`, start);
    }
    this.bytes = bytes;
    this.#next = start + 4;
    this.#end = start + size - 1;
    if (bytes[this.#end] !== 0) throw invalid("A document without a terminator", this.#end);
  }

  /** Goes to the next element. False after the last one. */
  next(): boolean {
    const { bytes } = this;
    const start = this.#next;
    if (start === this.#end) return false;
    const type = bytes[start] ?? 0;
    let at = start + 1;
    // The document's terminator ends the search at the latest; the value is out of bounds then.
    while (bytes[at] !== 0) at++;
    this.type = type;
    this.nameOffset = start + 1;
    this.nameLength = at - this.nameOffset;
    this.offset = ++at;
    this.length = this.#lengthOf(type, at);
    this.#next = at + this.length;
    if (this.#next > this.#end) throw invalid("A value is longer than its document", at);
    return true;
  }

  get name(): Name {
    return nameAt(this.bytes, this.nameOffset, this.nameLength);
  }

  get value(): BsonValue {
    const { type, bytes, offset, length } = this;
    return { type, bytes, offset, length };
  }

  #lengthOf(type: number, offset: number): number {
    switch (type) {
      case BsonType.double:
      case BsonType.int64:
      case BsonType.date:
      case BsonType.timestamp:
        return 8;
      case BsonType.int32:
        return 4;
      case BsonType.objectId:
        return 12;
      case BsonType.decimal128:
        return 16;
      case BsonType.boolean:
        return 1;
      case BsonType.null:
      case BsonType.undefined:
      case BsonType.minKey:
      case BsonType.maxKey:
        return 0;
      case BsonType.document:
      case BsonType.array:
      case BsonType.codeWithScope:
        return sizeAt(this.bytes, offset);
      case BsonType.string:
      case BsonType.symbol:
      case BsonType.code:
        return 4 + sizeAt(this.bytes, offset);
      case BsonType.binary:
        return 5 + sizeAt(this.bytes, offset);
      case BsonType.dbPointer:
        return 16 + sizeAt(this.bytes, offset);
      case BsonType.regex:
        return this.#afterText(this.#afterText(offset)) - offset;
    }
    throw invalid(`No value has the type 0x${type.toString(16).padStart(2, "0")}`, offset);
  }

  /** The offset after the terminator of a text; after the document if it has none. */
  #afterText(offset: number): number {
    const end = this.bytes.indexOf(0, offset);
    return end < 0 ? Infinity : end + 1;
  }
}

/** @throws UnstorableError for a negative size */
function sizeAt(bytes: Uint8Array, offset: number): number {
  const size = BSON.NumberUtils.getInt32LE(bytes, offset);
  if (size < 0) throw invalid(`A size of ${size} bytes`, offset);
  return size;
}

const invalid = (message: string, offset: number) => new UnstorableError(`${message} (at byte ${offset})`);
