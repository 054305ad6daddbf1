/**
 * Escapes names in `overflow` that CrateDB would return changed, or not at all.
 *
 * CrateDB stores columns under numbers. Below the first level of an OBJECT(IGNORED) it takes a name of digits for the
 * number of a column, and it strips `_u_` from the start of a name: CrateDB 5.7 in each answer, 6.4 when it recovers from
 * a crash. 6.4 cannot read back names beyond the Basic Multilingual Plane: a crash loses the row.
 */
import { latin1 } from "../util/json_writer.ts";
import type { Json } from "../util/lossless_json.ts";

const NUMBERED = /^#*(?:[1-9]\d*$|_u_)/;
const ASTRAL = /[\u{10000}-\u{10ffff}]/u;
/** Marks a name whose characters beyond the Basic Multilingual Plane are escaped. */
const MARK = "#u:";
const MARKED = /^#+u:/;
/**
 * Matches any of these names in the bytes of JSON, each as a character, and some values, too. Linear in the length, which
 * may be megabytes. The last five are the first bytes of characters beyond the Basic Multilingual Plane.
 */
const MAY_CHANGE = /"#*(?:[1-9]\d*\\":|_u_|#u:)|[\xf0-\xf4]/;

type Spell = (name: string) => string;

/** @example IN: 😀 → OUT: #u:%F0%9F%98%80; IN: #u:x → OUT: ##u:x; IN: 1 → OUT: 1 */
export const escapeTopName: Spell = (name) => {
  if (ASTRAL.test(name)) return MARK + name.replace(/%|[\u{10000}-\u{10ffff}]/gu, encodeURIComponent);
  return MARKED.test(name) ? `#${name}` : name;
};

/** Below the first level. @example IN: 1 → OUT: #1; IN: #1 → OUT: ##1; IN: _u_x → OUT: #_u_x; IN: a → OUT: a */
export const escapeName: Spell = (name) =>
  NUMBERED.test(name) && isReadable(name) ? `#${name}` : escapeTopName(name);

/** Whether CrateDB reads the name back unchanged at the first level of an OBJECT(IGNORED). */
export const isReadable = (name: string): boolean => !ASTRAL.test(name);

/** The inverse of {@linkcode escapeTopName}. */
export const unescapeTopName: Spell = (name) => {
  if (name.startsWith(MARK)) return decoded(name);
  return MARKED.test(name) ? name.slice(1) : name;
};

/** Returns the name unchanged if it only looks escaped. */
function decoded(name: string): string {
  try {
    const plain = decodeURIComponent(name.slice(MARK.length));
    return escapeTopName(plain) === name ? plain : name;
  } catch {
    return name;
  }
}

/** The inverse of {@linkcode escapeName}. */
export const unescapeName: Spell = (name) =>
  name.startsWith("#") && NUMBERED.test(name) ? name.slice(1) : unescapeTopName(name);

/** False only if no name in the JSON of a row needs escaping. */
export const mayNeedEscaping = (json: Uint8Array): boolean => MAY_CHANGE.test(latin1(json));

/** @example IN: {"1":{"2":true}} → OUT: {"1":{"#2":true}} */
export const escapeNames = (overflow: Json): Json => respelled(overflow, escapeTopName, escapeName);

/** The inverse of {@linkcode escapeNames}. */
export const unescapeNames = (overflow: Json): Json => respelled(overflow, unescapeTopName, unescapeName);

function respelled(value: Json, spell: Spell, below: Spell): Json {
  if (Array.isArray(value)) return value.map((each) => respelled(each, spell, below));
  if (!(value instanceof Map)) return value;
  return new Map([...value].map(([name, each]) => [spell(name), respelled(each, below, below)]));
}
