/** Removes fields that no path of MongoDB can name: their names contain a dot or begin with a dollar sign. */
import { BsonType, bytesOf, type Element, elements, nameOf } from "./bson.ts";
import { documentOf, joined } from "./build.ts";
import { UnstorableError } from "../util/errors.ts";

/** Whether MongoDB accepts a path: no name in it begins with a dollar sign. @example IN: a.b → OUT: true; IN: $pin → OUT: false */
export const isMongodbPath = (path: string): boolean => !/(?:^|\.)\$/.test(path);

/**
 * The document without the fields at or below these paths that MongoDB cannot remove: a path may also be the text of one
 * name, or of several.
 * @example
 * IN: {_id: 1, "card.number": "4111", card: {kind: "x"}}, ["card.number"] → OUT: {_id: 1, card: {kind: "x"}}
 * IN: {a: {"b.c": 1, d: 2}}, ["a.b"] → OUT: {a: {d: 2}}
 */
export function withoutFields(document: Uint8Array, paths: readonly string[]): Uint8Array {
  return paths.length === 0 ? document : without(document, { paths, prefix: "", isUnnamable: false });
}

interface Place {
  readonly paths: readonly string[];
  /** The path of the document, with a dot at its end; empty for the root. */
  readonly prefix: string;
  /** Whether a name of the path is one that no path can name. */
  readonly isUnnamable: boolean;
}

function without(document: Uint8Array, place: Place): Uint8Array {
  const kept: Uint8Array[] = [];
  let isChanged = false;
  for (const element of elements(document)) {
    const before = elementBytes(document, element);
    const after = keptOf(document, element, place);
    isChanged ||= after !== "same";
    if (after !== "removed") kept.push(after === "same" ? before : after);
  }
  return isChanged ? documentOf(kept) : document;
}

/** The bytes of an element without the fields, unless all of it stays or is removed. */
function keptOf(document: Uint8Array, element: Element, place: Place): "same" | "removed" | Uint8Array {
  const name = nameAt(document, element);
  if (name === undefined) return "same";
  const path = `${place.prefix}${name}`;
  const isUnnamable = place.isUnnamable || name.includes(".") || name.startsWith("$");
  const isNamed = place.paths.some((each) => path === each || path.startsWith(`${each}.`));
  if (isNamed && isUnnamable) return "removed";
  return inside(document, element, { ...place, prefix: `${path}.`, isUnnamable });
}

function inside(document: Uint8Array, element: Element, place: Place): "same" | Uint8Array {
  const [type, nameOffset, , offset, length] = element;
  const isArray = type === BsonType.array;
  if (!isArray && type !== BsonType.document) return "same";
  const { paths, prefix } = place;
  if (!paths.some((path) => path.startsWith(prefix))) return "same";
  const value = bytesOf({ type, bytes: document, offset, length });
  const after = isArray ? withoutInItems(value, place) : without(value, place);
  return after === value ? "same" : joined([document.subarray(nameOffset - 1, offset), after]);
}

/** Paths pass through arrays. */
function withoutInItems(array: Uint8Array, place: Place): Uint8Array {
  let isChanged = false;
  const items = Array.from(elements(array), (element) => {
    const after = inside(array, element, place);
    isChanged ||= after !== "same";
    return after === "same" ? elementBytes(array, element) : after;
  });
  return isChanged ? documentOf(items) : array;
}

/** Undefined for a name that is not UTF-8: no path names it. */
function nameAt(document: Uint8Array, element: Element): string | undefined {
  try {
    return nameOf(document, element);
  } catch (error) {
    if (error instanceof UnstorableError) return undefined;
    throw error;
  }
}

const elementBytes = (document: Uint8Array, [, nameOffset, , offset, length]: Element): Uint8Array =>
  document.subarray(nameOffset - 1, offset + length);
