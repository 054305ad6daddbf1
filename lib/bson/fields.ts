/** The fields of a document: values with their names, and whether names repeat. */
import { type BsonValue, ElementCursor } from "./bson.ts";
import { evictedNames, type Name, SLOTS } from "./field_name_cache.ts";

export interface Field extends BsonValue {
  readonly name: Name;
}

export interface Fields {
  readonly fields: readonly Field[];
  /** Whether two of them have equal names. */
  readonly repeated: boolean;
}

/** Cheap duplicate check: which object last used each slot. Only names that share one, or are evicted, need a Set. */
const lastObject = new Uint32Array(SLOTS);
let objects = 0;

/**
 * @example
 * IN: {a: 1, b: 2, a: 3} → OUT: {fields: [a, b, a], repeated: true}
 */
export function fieldsOf({ bytes, offset: start }: BsonValue): Fields {
  const fields: Field[] = [];
  const object = ++objects >>> 0;
  const evicted = evictedNames();
  let collided = false;
  const element = new ElementCursor(bytes, start);
  while (element.next()) {
    const { name } = element;
    collided ||= lastObject[name.slot] === object;
    lastObject[name.slot] = object;
    fields.push({ name, type: element.type, bytes, offset: element.offset, length: element.length });
  }
  const repeated = (collided || evictedNames() > evicted) &&
    new Set(fields.map(({ name }) => name.text)).size < fields.length;
  return { fields, repeated };
}

/**
 * The names that an object has more than once.
 *
 * @example
 * IN: the fields a, b, a → OUT: {a}
 */
export function repeatedNames(fields: readonly Field[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name: { text } } of fields) {
    if (seen.has(text)) repeated.add(text);
    seen.add(text);
  }
  return repeated;
}
