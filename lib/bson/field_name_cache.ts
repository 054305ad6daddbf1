/** A cache of field names, so that each is decoded once for all documents that have it. */
import { BSON } from "mongodb";

export interface Name {
  readonly text: string;
  /** The name as JSON, with the colon. */
  readonly json: string;
  /** Its place in the cache. Equal names have the same slot. */
  readonly slot: number;
}

/** Direct-mapped cache: a name evicts whatever is in its slot. */
export const SLOTS = 2 ** 12;
const MAX_CACHED_BYTES = 64;
const kept = new Array<Name | undefined>(SLOTS).fill(undefined);

/** What a decoder puts in the place of bytes that are no UTF-8. */
const REPLACEMENT = "\ufffd";

/** Decodes bytes `start` to `end`. Bytes that are not UTF-8 throw, so that no text changes unseen. */
export function utf8(bytes: Uint8Array, start: number, end: number): string {
  const text = BSON.ByteUtils.toUTF8(bytes, start, end, false);
  return text.includes(REPLACEMENT) ? BSON.ByteUtils.toUTF8(bytes, start, end, true) : text;
}

/**
 * @example
 * IN: the bytes of é"
 * OUT: {text: 'é"', json: '"é\\"":', …}
 */
export function nameAt(bytes: Uint8Array, offset: number, length: number): Name {
  const end = offset + length;
  let hash = 0;
  for (let at = offset; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  const slot = (hash ^ hash >>> 16) & SLOTS - 1;
  const known = kept[slot];
  if (known && isAt(known.text, bytes, offset)) return known;
  const text = utf8(bytes, offset, end);
  const name = { text, json: `${JSON.stringify(text)}:`, slot };
  if (length <= MAX_CACHED_BYTES && text.length === length) kept[slot] = name;
  return name;
}

/** Whether the name and its end are at `offset`. Only ASCII names are cached, so a byte is a character. */
function isAt(name: string, bytes: Uint8Array, offset: number): boolean {
  for (let at = 0; at < name.length; at++) if (name.charCodeAt(at) !== bytes[offset + at]) return false;
  return bytes[offset + name.length] === 0;
}
