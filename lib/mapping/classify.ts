/** The rules that decide whether a field gets a column, for inferring columns and splitting documents. */
import { Buffer } from "node:buffer";
import { BsonType, type BsonValue, ElementCursor } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import type { Name } from "../bson/field_name_cache.ts";
import { UnstorableError } from "../util/errors.ts";
import { isTooLong, SCALARS } from "./column_types.ts";

/** How deep below `data` columns are created. */
export const MAX_DEPTH = 40;
/** Longer names, in bytes of UTF-8, get no column: each node of the server keeps all names in memory. */
const MAX_COLUMN_NAME_BYTES = 255;
/** The limit of CrateDB's JSON parser for a name, in units of UTF-16. */
const MAX_NAME_CHARACTERS = 50_000;
const SHOWN_CHARACTERS = 40;

/** Whether a field gets a column, or why not. `empty`: null, or an array of nothing but nulls and empty arrays. */
export type FieldClass = "column" | "empty" | "refused name" | "too long" | "too deep";

/** A field, or an item of an array, which has no name. */
export type FieldOrItem = BsonValue & { readonly name?: Name };

/** @example IN: {"a.b": 1} → OUT: refused name; IN: {a: [null, []]} → OUT: empty; IN: {a: [null, 1]} → OUT: column */
export function classify(field: FieldOrItem, depth: number): FieldClass {
  const own = ownClass(field, depth);
  return own === "array" ? classOfItems(field, depth) : own;
}

/** The class of a field without reading the items of an array, which decide whether it gets a column. */
export function ownClass({ type, name, length }: FieldOrItem, depth: number): FieldClass | "array" {
  if (name && isRefusedName(name.text)) return "refused name";
  if (isNull(type)) return "empty";
  if (type === BsonType.array) return "array";
  if (depth > MAX_DEPTH) return "too deep";
  return SCALARS[type]?.column === "text" && isTooLong(length) ? "too long" : "column";
}

/** Reads no further than the first item that needs a column. */
function classOfItems({ bytes, offset }: BsonValue, depth: number): FieldClass {
  let all: FieldClass = "empty";
  const item = new ElementCursor(bytes, offset);
  while (item.next()) {
    const each = classify(item.value, depth + 1);
    if (each === "column") return each;
    if (each !== "empty") all = each;
  }
  return all;
}

export const isNull = (type: number): boolean => type === BsonType.null || type === BsonType.undefined;

// deno-lint-ignore no-control-regex -- this pattern looks for control characters
const REFUSED_NAME = /^$|[.[\]\\\x00-\x1f\x7f]/;

/**
 * Names that get no column: long ones, those that a typed object refuses, and those with a backslash, which as a column
 * would make CrateDB refuse every later bulk statement on the table.
 */
export const isRefusedName = (name: string): boolean =>
  REFUSED_NAME.test(name) || Buffer.byteLength(name) > MAX_COLUMN_NAME_BYTES;

/** ObjectIds and other hexadecimal digests, UUIDs, long numbers, and dates. */
const ID = /^(?:[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{6,}|\d{4}-\d\d-\d\d.*)$/i;

/** @example IN: 507f1f77bcf86cd799439011 → OUT: true; IN: 2026-11-26 → OUT: true; IN: temperature → OUT: false */
export const isId = (name: string): boolean => ID.test(name);

/** Refuses a name, at any depth, that is too long for CrateDB. A document that is shorter than that is not read. */
export function checkNames(value: BsonValue): void {
  if (value.length <= MAX_NAME_CHARACTERS) return;
  const { bytes, offset } = value.type === BsonType.array ? value : asDocument(value) ?? value;
  const element = new ElementCursor(bytes, offset);
  while (element.next()) {
    const { type, nameLength } = element;
    const name = nameLength > MAX_NAME_CHARACTERS ? element.name.text : "";
    if (name.length > MAX_NAME_CHARACTERS) {
      throw new UnstorableError(
        `A field name has ${name.length} characters, and CrateDB takes ${MAX_NAME_CHARACTERS}: ` +
          `${name.slice(0, SHOWN_CHARACTERS)}…`,
      );
    }
    if (type === BsonType.array || !SCALARS[type]) checkNames(element.value);
  }
}
