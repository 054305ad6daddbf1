/** The fields of a document: values with their names, and which names repeat. */
import { type BsonValue, ElementCursor } from "./bson.ts";
import { EMPTY_DOCUMENT } from "./element_cursor.ts";
import { evictedNames, hashOf, type Name, nameAt, SLOTS } from "./field_name_cache.ts";

export interface Field extends BsonValue {
  readonly name: Name;
}

export interface Fields {
  readonly fields: readonly Field[];
  /** All fields of each name that the document has more than once. */
  readonly repeats: ReadonlyMap<string, readonly Field[]>;
}

export const NO_REPEATS: Fields["repeats"] = new Map();

let objects = 0;

/** Steps through the fields of a document, and of the documents and arrays in it, without an object for each. */
export class FieldCursor extends ElementCursor {
  /** The number of documents and arrays around its own. */
  depth = 0;
  /** Whether two fields so far may have the same name. */
  mayRepeat = false;
  #outer: FieldCursor | undefined;
  #inner: FieldCursor | undefined;
  #name: Name | undefined;
  /** The object that last used each slot of the cache. */
  readonly #lastObject = new Uint32Array(SLOTS);
  #object = 0;
  #evictions = 0;

  /** The cursor of a value inside, before its first element. Another call moves it. */
  inside({ bytes, offset }: BsonValue): FieldCursor {
    const inner = this.#inner ??= new FieldCursor();
    inner.enter(bytes, offset);
    inner.depth = this.depth + 1;
    inner.mayRepeat = false;
    inner.#outer = this;
    inner.#name = undefined;
    inner.#object = ++objects >>> 0;
    inner.#evictions = evictedNames();
    return inner;
  }

  /** Goes to the next element, as {@linkcode next} does, and reads its name. */
  nextField(): boolean {
    if (this.nextName > this.end) return false;
    const { length, slot, evictions } = this.#name = nameAt(this.bytes, this.nextName);
    // Equal names share a slot, unless the first one was evicted and the second one is read again.
    if (this.#lastObject[slot] === this.#object || evictions > this.#evictions) this.mayRepeat = true;
    this.#lastObject[slot] = this.#object;
    return this.read(length);
  }

  /** Releases the documents that it refers to. */
  release(): void {
    const inner = this.#inner;
    if (!inner || inner.bytes === EMPTY_DOCUMENT) return;
    inner.bytes = EMPTY_DOCUMENT;
    inner.release();
  }

  override get name(): Name {
    return this.#name ?? super.name;
  }

  /** The names from the root to the current element. Items of arrays have none. */
  get path(): Name[] {
    return [...this.#outer?.path ?? [], ...this.#name ? [this.#name] : []];
  }
}

/** Whether two names in a document may be equal, by their hashes: names that are not cached need not be read again. */
export function namesMayRepeat({ bytes, offset }: BsonValue): boolean {
  const seen = new Set<number>();
  const element = new ElementCursor(bytes, offset);
  for (let count = 0; element.next(); count++) {
    seen.add(hashOf(bytes, element.nameOffset, element.nameOffset + element.nameLength));
    if (seen.size <= count) return true;
  }
  return false;
}

const scan = new FieldCursor();

/** @example IN: {a: 1, b: 2, a: 3} → OUT: {fields: [a, b, a], repeats: Map { "a" → [a, a] }} */
export function fieldsOf(document: BsonValue): Fields {
  const fields: Field[] = [];
  const field = scan.inside(document);
  while (field.nextField()) {
    const { name, type, bytes, offset, length } = field;
    fields.push({ name, type, bytes, offset, length });
  }
  scan.release();
  if (!field.mayRepeat || !namesMayRepeat(document)) {
    return { fields, repeats: NO_REPEATS };
  }
  const byName = Map.groupBy(fields, ({ name }) => name.text);
  return { fields, repeats: new Map([...byName].filter(([, { length }]) => length > 1)) };
}
