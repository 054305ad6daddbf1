/** A cache of field names, so that each is decoded once for all documents. */
import { isUtf8 } from "node:buffer";
import { BSON } from "./library.ts";
import { jsonBytes, notUtf8 } from "../util/json_writer.ts";

export interface Name {
  readonly text: string;
  /** The name as JSON, with the colon, as {@linkcode jsonBytes} makes it. */
  readonly json: Uint8Array;
  /** Its place in the cache. Two names share a slot only if one of them was evicted or is not cached. */
  readonly slot: number;
  readonly bytes: Uint8Array;
  /** The slot of the name that followed it last. */
  next: number;
}

/** The slots at which the search for a name may begin, and how many of them it reads. */
const HOMES = 2 ** 12;
const PROBES = 4;
export const SLOTS = HOMES + PROBES - 1;
/** Longer names are not cached. */
const MAX_KEPT_BYTES = 64;
const kept = new Array<Name | undefined>(SLOTS).fill(undefined);
let evictions = 0;
/** Documents of a collection are alike: the next name is mostly the one that followed before, and needs no hash. */
let last: Name | undefined;

export const evictedNames = (): number => evictions;

/** Whether the cache has the name. What is kept of others would be without a limit. */
export const isKept = (name: Name): boolean => kept[name.slot] === name;

/** @throws UnstorableError for bytes that are not UTF-8, so that no text is changed silently */
export function utf8(bytes: Uint8Array, start: number, end: number): string {
  const text = BSON.ByteUtils.toUTF8(bytes, start, end, false);
  // Decoders replace bytes that are not UTF-8 by this character.
  if (text.includes("\ufffd") && !isUtf8(bytes.subarray(start, end))) {
    throw notUtf8(start);
  }
  return text;
}

/** @example IN: the bytes of é" → OUT: {text: 'é"', json: the bytes of \\"é\\\\\\"\\":, …} */
export function nameAt(bytes: Uint8Array, offset: number, length: number): Name {
  const guess = last && kept[last.next];
  if (guess && isAt(guess.bytes, bytes, offset)) return last = guess;
  const name = lookUp(bytes, offset, length);
  if (last) last.next = name.slot;
  return last = name;
}

function lookUp(bytes: Uint8Array, offset: number, length: number): Name {
  const end = offset + length;
  let hash = 0;
  for (let at = offset; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  const home = (hash ^ hash >>> 16) & HOMES - 1;
  if (length > MAX_KEPT_BYTES) return nameOf(bytes.subarray(offset, end), home);
  for (let slot = home; slot < home + PROBES; slot++) {
    const known = kept[slot];
    if (!known) return kept[slot] = nameOf(bytes.subarray(offset, end), slot);
    if (isAt(known.bytes, bytes, offset)) return known;
  }
  evictions++;
  return kept[home] = nameOf(bytes.subarray(offset, end), home);
}

/** Copies the bytes, which may be part of a reply of megabytes. */
function nameOf(bytes: Uint8Array, slot: number): Name {
  const text = utf8(bytes, 0, bytes.length);
  return {
    text,
    json: jsonBytes(`${JSON.stringify(text)}:`),
    slot,
    bytes: new Uint8Array(bytes),
    next: slot,
  };
}

/** Whether the name and its end are at `offset`. */
function isAt(name: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  for (let at = 0; at < name.length; at++) if (name[at] !== bytes[offset + at]) return false;
  return bytes[offset + name.length] === 0;
}
