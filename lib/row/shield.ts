/**
 * Names inside `overflow` that CrateDB would give back as others. It stores columns under numbers, and takes a name
 * of digits below the first level of an OBJECT(IGNORED) for the number of a column; from one that starts with `_u_`
 * it takes that away. CrateDB 5.7 does so in every answer, 6.4 when it recovers from a crash.
 */
import type { Json } from "./lossless_json.ts";

const UNSTEADY = /^#*(?:[1-9]\d*$|_u_)/;
/** The same in JSON text, also where it is no name. */
const MAY_BE_UNSTEADY = /"#*(?:[1-9]\d*":|_u_)/;

/** @example IN: 1 → OUT: #1; IN: #1 → OUT: ##1; IN: _u_x → OUT: #_u_x; IN: a → OUT: a */
export const shield = (name: string): string => UNSTEADY.test(name) ? `#${name}` : name;

/** The inverse of {@linkcode shield}. */
export const unshield = (name: string): string =>
  name.startsWith("#") && UNSTEADY.test(name) ? name.slice(1) : name;

/** False only where there is no such name. */
export const mayBeUnsteady = (json: string): boolean => MAY_BE_UNSTEADY.test(json);

/** @example IN: {"1":{"2":true}} → OUT: {"1":{"#2":true}} */
export const shieldBelow = (overflow: Json): Json => below(overflow, shield);

/** The inverse of {@linkcode shieldBelow}. */
export const unshieldBelow = (overflow: Json): Json => below(overflow, unshield);

type Spell = (name: string) => string;

/** CrateDB keeps the names of the first level. */
const below = (overflow: Json, spell: Spell): Json =>
  overflow instanceof Map
    ? new Map([...overflow].map(([name, value]) => [name, respelled(value, spell)]))
    : overflow;

function respelled(value: Json, spell: Spell): Json {
  if (Array.isArray(value)) return value.map((each) => respelled(each, spell));
  if (!(value instanceof Map)) return value;
  return new Map([...value].map(([name, each]) => [spell(name), respelled(each, spell)]));
}
