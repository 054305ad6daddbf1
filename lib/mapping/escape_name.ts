/**
 * Names that CrateDB would give back as others, or not at all, unless a column of their own has them.
 *
 * It stores columns under numbers, and takes a name of digits below the first level of an OBJECT(IGNORED) for the
 * number of a column; from one that starts with `_u_` it takes that away. CrateDB 5.7 does so in every answer, 6.4
 * when it recovers from a crash. What 6.4 has written of a name beyond the Basic Multilingual Plane it cannot read
 * again: a crash loses the row.
 */
import type { Json } from "../util/lossless_json.ts";

const NUMBERED = /^#*(?:[1-9]\d*$|_u_)/;
const ASTRAL = /[\u{10000}-\u{10ffff}]/u;
/** Marks a name whose characters beyond the Basic Multilingual Plane are escaped. */
const MARK = "#u:";
const MARKED = /^#+u:/;
/** Any of these in JSON text, also where it is no name; linear in its length, which may be megabytes. */
const MAY_BE_UNSTEADY = /"#*(?:[1-9]\d*":|_u_|#u:)|[\ud800-\udbff]/;

/** How a name is written at one level of `overflow`. */
type Spell = (name: string) => string;

/** @example IN: 😀 → OUT: #u:%F0%9F%98%80; IN: #u:x → OUT: ##u:x; IN: 1 → OUT: 1 */
export const escapeTopName: Spell = (name) => {
  if (ASTRAL.test(name)) return MARK + name.replace(/%|[\u{10000}-\u{10ffff}]/gu, encodeURIComponent);
  return MARKED.test(name) ? `#${name}` : name;
};

/**
 * Below the first level, of which CrateDB keeps names of digits.
 *
 * @example IN: 1 → OUT: #1; IN: #1 → OUT: ##1; IN: _u_x → OUT: #_u_x; IN: a → OUT: a
 */
export const escapeName: Spell = (name) =>
  NUMBERED.test(name) && isReadable(name) ? `#${name}` : escapeTopName(name);

/** Whether CrateDB reads the name again as the one it has written, at the first level of an OBJECT(IGNORED). */
export const isReadable = (name: string): boolean => !ASTRAL.test(name);

/** The inverse of {@linkcode escapeTopName}. */
export const unescapeTopName: Spell = (name) => {
  if (name.startsWith(MARK)) return decoded(name);
  return MARKED.test(name) ? name.slice(1) : name;
};

/** Somebody else may have written a name that has the mark and is none of these. */
function decoded(name: string): string {
  try {
    const plain = decodeURIComponent(name.slice(MARK.length));
    return escapeTopName(plain) === name ? plain : name;
  } catch {
    return name;
  }
}

/** The inverse of {@linkcode shield}. */
export const unescapeName: Spell = (name) =>
  name.startsWith("#") && NUMBERED.test(name) ? name.slice(1) : unescapeTopName(name);

/** False only where there is no such name. */
export const mayNeedEscaping = (json: string): boolean => MAY_BE_UNSTEADY.test(json);

/** @example IN: {"1":{"2":true}} → OUT: {"1":{"#2":true}} */
export const escapeNames = (overflow: Json): Json => respelled(overflow, escapeTopName, escapeName);

/** The inverse of {@linkcode escapeNames}. */
export const unescapeNames = (overflow: Json): Json => respelled(overflow, unescapeTopName, unescapeName);

function respelled(value: Json, spell: Spell, below: Spell): Json {
  if (Array.isArray(value)) return value.map((each) => respelled(each, spell, below));
  if (!(value instanceof Map)) return value;
  return new Map([...value].map(([name, each]) => [spell(name), respelled(each, below, below)]));
}
