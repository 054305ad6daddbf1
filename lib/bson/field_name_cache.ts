/** A cache of field names, so that each is decoded once for all documents. */
import { isUtf8 } from "node:buffer";
import { BSON } from "./library.ts";
import { type JsonPart, jsonPart, notUtf8 } from "../util/json_writer.ts";

export class Name {
  #json: JsonPart | undefined;

  constructor(
    readonly text: string,
    /** Its place in the cache. Two names share a slot only if one of them was evicted or is not cached. */
    readonly slot: number,
    /** The bytes of its text. */
    readonly length: number,
    /** How many names had been evicted when it was read. */
    readonly evictions: number,
  ) {}

  /** The name as JSON, with the colon. */
  get json(): JsonPart {
    return this.#json ??= jsonPart(`${JSON.stringify(this.text)}:`);
  }
}

/** The slots at which the search for a name may begin, and how many of them it reads. */
const HOMES = 2 ** 12;
const PROBES = 8;
export const SLOTS = HOMES + PROBES - 1;
/** Longer names are not cached. */
const MAX_KEPT_BYTES = 63;
const kept = new Array<Name | undefined>(SLOTS).fill(undefined);
/** The bytes of each name and a zero, in one line of the processor's cache. */
const LINE = 64;
const lines = new Uint8Array(SLOTS * LINE);
let evictions = 0;
/** Documents of a collection are alike: the next name is mostly the one that followed before, and needs no hash. */
const followers = new Uint16Array(SLOTS);
let last = 0;

let uncached = 0;

/** How many names were read that are too long for the cache, and how many were evicted. */
export const longNames = (): number => uncached;
export const evictedNames = (): number => evictions;

/** Whether the cache has the name. Data about other names would grow without a limit. */
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
export function nameAt(bytes: Uint8Array, offset: number): Name {
  const guess = followers[last] as number;
  const name = isAt(guess, bytes, offset) && kept[guess] || lookUp(bytes, offset);
  followers[last] = name.slot;
  last = name.slot;
  return name;
}

function lookUp(bytes: Uint8Array, offset: number): Name {
  const end = offset + lengthAt(bytes, offset);
  const hash = hashOf(bytes, offset, end);
  const home = (hash ^ hash >>> 16) & HOMES - 1;
  if (end - offset > MAX_KEPT_BYTES) {
    uncached++;
    return nameOf(bytes.subarray(offset, end), home);
  }
  for (let slot = home; slot < home + PROBES; slot++) {
    const known = kept[slot];
    if (!known) return keep(bytes.subarray(offset, end), slot);
    if (isAt(slot, bytes, offset)) return known;
  }
  evictions++;
  return keep(bytes.subarray(offset, end), home);
}

function lengthAt(bytes: Uint8Array, offset: number): number {
  let end = offset;
  while ((bytes[end] ?? 0) !== 0) end++;
  return end - offset;
}

/** Equal names have equal hashes. */
export function hashOf(bytes: Uint8Array, offset: number, end: number): number {
  let hash = 0;
  for (let at = offset; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return hash;
}

function keep(bytes: Uint8Array, slot: number): Name {
  const name = nameOf(bytes, slot);
  lines.set(bytes, slot * LINE);
  lines[slot * LINE + bytes.length] = 0;
  return kept[slot] = name;
}

const nameOf = (bytes: Uint8Array, slot: number): Name =>
  new Name(utf8(bytes, 0, bytes.length), slot, bytes.length, evictions);

/** Whether the name in a slot and its end are at `offset`. */
function isAt(slot: number, bytes: Uint8Array, offset: number): boolean {
  for (let at = slot * LINE;; at++, offset++) {
    const byte = lines[at];
    if (byte !== bytes[offset]) return false;
    if (byte === 0) return true;
  }
}
