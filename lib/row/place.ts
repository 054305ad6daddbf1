/**
 * Placement: which part of a document goes to `data`, and which to `overflow` because its column would change or
 * refuse it. Pure; the two merged are always the whole document.
 */
import { BsonType, type BsonValue, elements, nameOf } from "./bson.ts";
import { type Column, isRefusedName, MAX_DEPTH } from "./columns.ts";
import { jsonOf, UnstorableError } from "./json.ts";
import { asDocument, SCALARS } from "./kinds.ts";

export interface Placed {
  /** JSON text for the column `data`. */
  readonly data: string;
  /** JSON text for the column `overflow`, or null when everything fits. */
  readonly overflow: string | null;
  /** Whether `overflow` has more than the nulls that `data` would show as missing; SQL tells neither apart. */
  readonly misfits: boolean;
  /** Whether something is in `overflow` for want of a column only. */
  readonly missing: boolean;
}

type Overflow = Map<string, Overflow | string>;
interface Path {
  readonly parent: Path | undefined;
  readonly name: string;
}

/**
 * @example
 * IN: {_id: 1, t: 20.5, "a.b": 1} with columns {_id: bigint, t: double}
 * OUT: {data: '{"_id":1,"t":20.5}', overflow: '{"a.b":1}', misfits: true, missing: false}
 *
 * @throws UnstorableError when no row can hold the document
 */
export function place(document: Uint8Array, columns: Column): Placed {
  const root: BsonValue = { type: BsonType.document, bytes: document, offset: 0, length: document.length };
  if (columns.kind === "ignored") {
    return { data: jsonOf(root), overflow: null, misfits: false, missing: false };
  }
  const placement = new Placement();
  const data = placement.object(root, columns, { path: undefined, depth: 0, inArray: false }) ?? "{}";
  const { overflow, misfits, missing } = placement;
  return { data, overflow: overflow.size === 0 ? null : overflowText(overflow), misfits, missing };
}

interface Place {
  readonly path: Path | undefined;
  readonly depth: number;
  /** Inside an array nothing can be left out: what doesn't fit takes the outermost array with it. */
  readonly inArray: boolean;
}

class Placement {
  readonly overflow: Overflow = new Map();
  misfits = false;
  missing = false;
  /** Whether the array at hand holds an object with a null, which CrateDB drops from objects with columns. */
  #nullWithin = false;

  /** JSON of what fits; undefined when the object as a whole doesn't. */
  object(document: BsonValue, column: Column, { path, depth, inArray }: Place): string | undefined {
    const { bytes } = document;
    const names = new Set<string>();
    let json = "";
    for (const element of elements(bytes, document.offset)) {
      const [type, , , offset, length] = element;
      const name = nameOf(bytes, element);
      if (names.has(name)) throw new UnstorableError(`Two equal keys in one object: ${JSON.stringify(name)}`);
      names.add(name);
      const value = { type, bytes, offset, length };
      const here = { path: { parent: path, name }, depth: depth + 1, inArray };
      const isNull = type === BsonType.null || type === BsonType.undefined;
      if (isNull) {
        this.#nullWithin = true;
        if (!inArray) put(this.overflow, here.path, "null");
        continue;
      }
      if (!inArray) this.#nullWithin = false;
      const text = this.#member(value, column.children?.get(name), here);
      if (text !== undefined) json += `${json === "" ? "" : ","}${JSON.stringify(name)}:${text}`;
      else if (inArray) return undefined;
      if (inArray || text !== undefined && !(this.#nullWithin && type === BsonType.array)) continue;
      // An array with a null in it stays for queries, and is in `overflow` as it was.
      put(this.overflow, here.path, jsonOf(value));
      this.misfits ||= text === undefined;
    }
    return `{${json}}`;
  }

  #member(value: BsonValue, column: Column | undefined, place: Place): string | undefined {
    if (column) return this.#value(value, column, place);
    if (isRefusedName(place.path?.name ?? "")) return undefined;
    if (isVoid(value)) return jsonOf(value);
    this.missing = true;
    return undefined;
  }

  #value(value: BsonValue, column: Column, place: Place): string | undefined {
    if (column.kind === "ignored") return jsonOf(value);
    const scalar = SCALARS[value.type];
    if (scalar) {
      return scalar.column === undefined
        ? "null"
        : scalar.fits[column.kind]?.(value.bytes, value.offset, value.length);
    }
    if (place.depth > MAX_DEPTH) return undefined;
    if (value.type === BsonType.array) return this.#array(value, column, place);
    if (column.kind !== "object") return undefined;
    const document = asDocument(value);
    return document && this.object(document, column, place);
  }

  #array(value: BsonValue, { element: column }: Column, { path, depth }: Place): string | undefined {
    if (!column) return undefined;
    const place = { path, depth: depth + 1, inArray: true };
    let json = "";
    for (const [type, , , offset, length] of elements(value.bytes, value.offset)) {
      const text = this.#value({ type, bytes: value.bytes, offset, length }, column, place);
      if (text === undefined) return undefined;
      json += `${json === "" ? "" : ","}${text}`;
    }
    return `[${json}]`;
  }
}

/** Arrays of nothing but nulls need no column. */
function isVoid({ type, bytes, offset }: BsonValue): boolean {
  if (type !== BsonType.array) return false;
  for (const [inner] of elements(bytes, offset)) {
    if (inner !== BsonType.null && inner !== BsonType.undefined) return false;
  }
  return true;
}

function put(overflow: Overflow, path: Path, json: string): void {
  const names: string[] = [];
  for (let step: Path | undefined = path.parent; step; step = step.parent) names.unshift(step.name);
  let node = overflow;
  for (const name of names) {
    let child = node.get(name);
    if (!(child instanceof Map)) node.set(name, child = new Map());
    node = child;
  }
  node.set(path.name, json);
}

const overflowText = (overflow: Overflow): string =>
  `{${
    [...overflow].map(([name, value]) =>
      `${JSON.stringify(name)}:${typeof value === "string" ? value : overflowText(value)}`
    ).join(",")
  }}`;
