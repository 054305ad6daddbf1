/** The fields of a document: values with their names, and whether names repeat. */
import { type BsonValue, elements } from "./bson.ts";
import { type Name, nameAt, SLOTS } from "./field_name_cache.ts";

export interface Member extends BsonValue {
  readonly name: Name;
}

export interface Members {
  readonly members: readonly Member[];
  /** Whether two of them have equal names. */
  readonly repeated: boolean;
}

/** Cheap duplicate check: which object last used each slot. Only collisions need a Set. */
const lastObject = new Uint32Array(SLOTS);
let objects = 0;

/**
 * @example
 * IN: {a: 1, b: 2, a: 3} → OUT: {members: [a, b, a], repeated: true}
 */
export function fieldsOf({ bytes, offset: start }: BsonValue): Members {
  const members: Member[] = [];
  const object = ++objects >>> 0;
  let collided = false;
  for (const [type, nameOffset, nameLength, offset, length] of elements(bytes, start)) {
    const name = nameAt(bytes, nameOffset, nameLength);
    collided ||= lastObject[name.slot] === object;
    lastObject[name.slot] = object;
    members.push({ name, type, bytes, offset, length });
  }
  const repeated = collided && new Set(members.map(({ name }) => name.text)).size < members.length;
  return { members, repeated };
}
