/** Reads the namespace of an event, and gives the same object for the same bytes: most events share it with others. */
import { BsonType, type BsonValue, bytesOf, fieldsByName, stringAt } from "../../bson/bson.ts";
import type { Namespace } from "../../util/namespace.ts";

/** Direct-mapped cache: a namespace evicts whatever is in its slot. */
const SLOTS = 64;
const kept = new Array<{ readonly bytes: Uint8Array; readonly namespace: Namespace } | undefined>(SLOTS)
  .fill(undefined);

const NO_NAMESPACE: Namespace = { database: "", collection: "" };
/** What follows the last letter of a collection in the bytes: the ends of the text and of the document. */
const BYTES_AFTER_NAME = 2;

/**
 * @example
 * IN: {db: "shop", coll: "orders"} → OUT: {database: "shop", collection: "orders"}
 * IN: {db: "shop"} → OUT: {database: "shop", collection: ""}
 */
export function namespaceOf(value: BsonValue | undefined): Namespace {
  if (value?.type !== BsonType.document) return NO_NAMESPACE;
  const { bytes, offset, length } = value;
  const lastLetter = bytes[offset + length - BYTES_AFTER_NAME - 1] ?? 0;
  const slot = (length * 31 + lastLetter) % SLOTS;
  const known = kept[slot];
  if (known && isAt(known.bytes, bytes, offset)) return known.namespace;
  const names = fieldsByName(bytes, offset);
  const namespace = { database: textOf(names.get("db")), collection: textOf(names.get("coll")) };
  // A copy: the bytes are part of a reply of megabytes.
  kept[slot] = { bytes: Uint8Array.from(bytesOf(value)), namespace };
  return namespace;
}

/** Whether these bytes are at `offset`. They begin with their own length, so nothing of them is beyond. */
function isAt(expected: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  for (let at = 0; at < expected.length; at++) if (expected[at] !== bytes[offset + at]) return false;
  return true;
}

/** The text of a string; empty for any other value. */
export const textOf = (value: BsonValue | undefined): string =>
  value?.type === BsonType.string ? stringAt(value.bytes, value.offset) : "";
