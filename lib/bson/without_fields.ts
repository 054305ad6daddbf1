/** Removes fields that no path of MongoDB can name: their names contain a dot or begin with a dollar sign. */
import { ifStorable } from "../util/errors.ts";
import { BsonType, ElementCursor } from "./bson.ts";
import { documentOf, joined } from "./build.ts";

/** Whether MongoDB accepts a path: no name in it begins with a dollar sign. @example IN: a.b → OUT: true; IN: $pin → OUT: false */
export const isMongodbPath = (path: string): boolean => !/(?:^|\.)\$/.test(path);

/**
 * The document without the fields at or below these paths that MongoDB cannot remove: a path may also be the text of one
 * name, or of several.
 * @example
 * IN: {_id: 1, "card.number": "4111", card: {kind: "x"}}, ["card.number"] → OUT: {_id: 1, card: {kind: "x"}}
 * IN: {a: {"b.c": 1, d: 2}}, ["a.b"] → OUT: {a: {d: 2}}
 */
export const withoutFields = (document: Uint8Array, paths: readonly string[]): Uint8Array =>
  paths.length === 0 ? document : without(document, { paths, prefix: "", isUnnamable: false });

interface Place {
  readonly paths: readonly string[];
  /** The path of the document, with a dot at its end; empty for the root. */
  readonly prefix: string;
  /** Whether a name of the path is one that no path can name. */
  readonly isUnnamable: boolean;
  /** Paths pass through arrays, without the names of items. */
  readonly isArray?: boolean;
}

/** The same object if no field is removed. */
function without(document: Uint8Array, place: Place): Uint8Array {
  const kept: Uint8Array[] = [];
  let isChanged = false;
  const element = new ElementCursor(document);
  while (element.next()) {
    const before = document.subarray(element.nameOffset - 1, element.offset + element.length);
    const after = keptOf(element, before, place);
    isChanged ||= after !== before;
    if (after) kept.push(after);
  }
  return isChanged ? documentOf(kept) : document;
}

/** The bytes of an element without the fields; undefined if all of it is removed. */
function keptOf(element: ElementCursor, before: Uint8Array, place: Place): Uint8Array | undefined {
  if (place.isArray) return inside(element, before, place);
  // No path can name a field whose name is not UTF-8.
  const name = ifStorable(() => element.name.text);
  if (name === undefined) return before;
  const path = `${place.prefix}${name}`;
  const isUnnamable = place.isUnnamable || name.includes(".") || name.startsWith("$");
  const isNamed = place.paths.some((each) => path === each || path.startsWith(`${each}.`));
  if (isNamed && isUnnamable) return undefined;
  return inside(element, before, { ...place, prefix: `${path}.`, isUnnamable });
}

function inside(element: ElementCursor, before: Uint8Array, place: Place): Uint8Array {
  const { type, bytes, nameOffset, offset, length } = element;
  const isArray = type === BsonType.array;
  if (!isArray && type !== BsonType.document) return before;
  if (!place.paths.some((path) => path.startsWith(place.prefix))) return before;
  const value = bytes.subarray(offset, offset + length);
  const after = without(value, { ...place, isArray });
  return after === value ? before : joined([bytes.subarray(nameOffset - 1, offset), after]);
}
