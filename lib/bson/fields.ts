/** The fields of a document: values with their names, and which names repeat. */
import { type BsonValue, ElementCursor } from "./bson.ts";
import { evictedNames, type Name, SLOTS } from "./field_name_cache.ts";

export interface Field extends BsonValue {
  readonly name: Name;
}

export interface Fields {
  readonly fields: readonly Field[];
  /** All fields of each name that the document has more than once. */
  readonly repeats: ReadonlyMap<string, readonly Field[]>;
}

const NO_REPEATS: Fields["repeats"] = new Map();

/** The object that last used each slot of the cache. Only names that share a slot, or are evicted, need a Set. */
const lastObject = new Uint32Array(SLOTS);
let objects = 0;

/** @example IN: {a: 1, b: 2, a: 3} → OUT: {fields: [a, b, a], repeats: Map { "a" → [a, a] }} */
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
  const mayRepeat = collided || evictedNames() > evicted;
  if (!mayRepeat || new Set(fields.map(({ name }) => name.text)).size === fields.length) {
    return { fields, repeats: NO_REPEATS };
  }
  const byName = Map.groupBy(fields, ({ name }) => name.text);
  return { fields, repeats: new Map([...byName].filter(([, { length }]) => length > 1)) };
}
