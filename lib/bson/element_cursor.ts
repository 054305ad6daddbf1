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
export const EMPTY_DOCUMENT: Uint8Array = Uint8Array.of(MIN_DOCUMENT_BYTES, 0, 0, 0, 0);

/** The lengths of the types that have one, in bytes; -1 for others. */
const LENGTHS = new Int8Array(0x100).fill(-1);
const { double, int64, date, timestamp, int32, objectId, decimal128, boolean, undefined: none } = BsonType;
for (const type of [double, int64, date, timestamp]) LENGTHS[type] = 8;
for (const type of [none, BsonType.null, BsonType.minKey, BsonType.maxKey]) LENGTHS[type] = 0;
LENGTHS[boolean] = 1;
LENGTHS[int32] = 4;
LENGTHS[objectId] = 12;
LENGTHS[decimal128] = 16;

/** Steps through the elements of a document without creating an object for each: `while (element.next()) …`. */
export class ElementCursor {
  bytes = EMPTY_DOCUMENT;
  type = 0;
  nameOffset = 0;
  nameLength = 0;
  /** The offset and the length of the value. */
  offset = 0;
  length = 0;
  /** The offsets of the name of the next element, and of the document's terminator. */
  protected nextName = 0;
  protected end = 0;

  /** @throws UnstorableError if the bytes are not a document, as does {@linkcode next} */
  constructor(bytes = EMPTY_DOCUMENT, start = 0) {
    this.enter(bytes, start);
  }

  /** Goes before the first element of a document. */
  enter(bytes: Uint8Array, start: number): void {
    const room = bytes.length - start;
    if (room < MIN_DOCUMENT_BYTES) {
      throw invalid(`A document takes at least 5 bytes, and ${room} are left`, start);
    }
    const size = sizeAt(bytes, start);
    if (size < MIN_DOCUMENT_BYTES || size > room) {
      throw invalid(`A document of ${size} bytes in ${room}`, start);
    }
    this.bytes = bytes;
    this.nextName = start + 5;
    this.end = start + size - 1;
    if (bytes[this.end] !== 0) throw invalid("A document without a terminator", this.end);
  }

  /** Goes to the next element. False after the last one. */
  next(): boolean {
    const { bytes, nextName } = this;
    if (nextName > this.end) return false;
    let at = nextName;
    // The document's terminator ends the search at the latest; the value is out of bounds then.
    while (bytes[at] !== 0) at++;
    return this.read(at - nextName);
  }

  /** Goes to the next element, whose name has that length. */
  protected read(nameLength: number): true {
    const { nextName } = this;
    this.type = this.bytes[nextName - 1] ?? 0;
    this.nameOffset = nextName;
    this.nameLength = nameLength;
    this.offset = nextName + nameLength + 1;
    this.length = this.#lengthOf(this.type, this.offset);
    this.nextName = this.offset + this.length + 1;
    if (this.nextName > this.end + 1) throw invalid("A value is longer than its document", this.offset);
    return true;
  }

  get name(): Name {
    return nameAt(this.bytes, this.nameOffset);
  }

  get value(): BsonValue {
    const { type, bytes, offset, length } = this;
    return { type, bytes, offset, length };
  }

  #lengthOf(type: number, offset: number): number {
    const fixed = LENGTHS[type] as number;
    if (fixed >= 0) return fixed;
    switch (type) {
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
