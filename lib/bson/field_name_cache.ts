/** Names of elements, each read once for all the documents that have it. */
import { BSON } from "mongodb";

export interface Name {
  readonly text: string;
  /** The name as JSON, and the colon. */
  readonly json: string;
  /** Where it is kept; equal names have the same slot. */
  readonly slot: number;
}

/** A name takes the place of another one in its slot, so there are never more kept than this. */
export const SLOTS = 2 ** 12;
const LONGEST_KEPT = 64;
const kept = new Array<Name | undefined>(SLOTS).fill(undefined);

/** The text of bytes `start` to `end`; bytes that are not UTF-8 throw, so that no text changes unseen. */
export const utf8 = (bytes: Uint8Array, start: number, end: number): string =>
  BSON.ByteUtils.toUTF8(bytes, start, end, true);

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
  if (length <= LONGEST_KEPT && text.length === length) kept[slot] = name;
  return name;
}

/** Whether a name and its end are there. Only ASCII is kept, where a byte is a character. */
function isAt(name: string, bytes: Uint8Array, offset: number): boolean {
  for (let at = 0; at < name.length; at++) if (name.charCodeAt(at) !== bytes[offset + at]) return false;
  return bytes[offset + name.length] === 0;
}
