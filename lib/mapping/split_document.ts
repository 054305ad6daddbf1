/**
 * Placement: which part of a document goes to `data`, and which to `overflow` because its column would change or
 * refuse it. Pure; the two merged are always the whole document.
 */
import { BsonType, type BsonValue, elements } from "../bson/bson.ts";
import { type Column, type ColumnPath, inferColumns, isRefusedName, MAX_DEPTH } from "./column_tree.ts";
import { duplicates, escaped, jsonOf } from "./bson_to_json.ts";
import { asDocument } from "../bson/expand.ts";
import { SCALARS, widening } from "./column_types.ts";
import { fieldsOf, type Member } from "../bson/fields.ts";
import { splitForJsonb } from "./split_for_jsonb.ts";
import { escapeName, escapeTopName, isReadable, mayNeedEscaping } from "./escape_name.ts";

export interface SplitDocument {
  /** JSON text for the column `data`. */
  readonly data: string;
  /** JSON text for the column `overflow`, or null when everything fits. */
  readonly overflow: string | null;
  /** Whether `overflow` has more than the nulls that `data` would show as missing; SQL tells neither apart. */
  readonly misfits: boolean;
  /** Whether something is in `overflow` for want of a column only. */
  readonly missing: boolean;
  /** Paths of the columns that have to be wider to take their values; each once. */
  readonly narrow: readonly ColumnPath[];
}

type Overflow = Map<string, Overflow | string>;

const NO_PATHS: readonly ColumnPath[] = [];
const NO_REPEATS: ReadonlyMap<string, string> = new Map();
/** Instead of JSON, of what is in an array and not in `data`. */
const LEFT_OUT = "";

/**
 * @example
 * IN: {_id: 1, t: 20.5, "a.b": 1} with columns {_id: bigint, t: double}
 * OUT: {data: '{"_id":1,"t":20.5}', overflow: '{"a.b":1}', misfits: true, missing: false, narrow: []}
 *
 * @throws BSONError when the bytes are not BSON, or a text in them is not UTF-8
 */
export function splitDocument(document: Uint8Array, columns: Column): SplitDocument {
  const root: BsonValue = { type: BsonType.document, bytes: document, offset: 0, length: document.length };
  if (columns.kind === "ignored") {
    const json = jsonOf(root);
    if (!mayNeedEscaping(json)) {
      return { data: json, overflow: null, misfits: false, missing: false, narrow: NO_PATHS };
    }
  }
  if (columns.kind === "jsonb") {
    const { data, overflow } = splitForJsonb(root);
    return { data, overflow, misfits: overflow !== null, missing: false, narrow: NO_PATHS };
  }
  const placement = new Placement();
  const data = placement.object(root, columns);
  const { overflow, misfits, missing, narrow } = placement;
  return {
    data,
    overflow: overflow ? overflowText(overflow) : null,
    misfits,
    missing,
    narrow: narrow ? [...narrow.values()] : NO_PATHS,
  };
}

class Placement {
  overflow: Overflow | undefined;
  misfits = false;
  missing = false;
  narrow: Map<string, ColumnPath> | undefined;
  /** The names from the document's root to the value at hand. */
  readonly #path: string[] = [];
  /** Inside an array nothing can be left out: what doesn't fit takes the outermost array with it. */
  #arrays = 0;
  /** Whether objects in the array at hand have something that is not in `data`: nulls, and arrays of nothing. */
  #leavesOut = false;

  /** JSON of what fits; the rest is put in `overflow`. */
  object(document: BsonValue, column: Column): string {
    const { members, repeated } = fieldsOf(document);
    const repeats = repeated ? duplicates(document, escaped) : NO_REPEATS;
    for (const [name, json] of repeats) this.#misfit(name, json);
    let json = "";
    for (const member of members) {
      const { name, type } = member;
      if (repeats.has(name.text)) continue;
      if (isNull(type)) {
        this.#put(name.text, "null");
        continue;
      }
      this.#leavesOut = false;
      const text = this.#member(member, column);
      if (text === undefined) {
        this.#misfit(name.text, jsonOf(member, escaped));
        continue;
      }
      json += `${json === "" ? "" : ","}${name.json}${text}`;
      // What is left of the array stays for queries; in `overflow` it is as it was.
      if (this.#leavesOut && type === BsonType.array) this.#put(name.text, jsonOf(member, escaped));
    }
    return `{${json}}`;
  }

  /** JSON of an object inside an array; undefined unless all of it fits. What doesn't is looked at to the end. */
  #item(document: BsonValue, column: Column): string | undefined {
    const { members, repeated } = fieldsOf(document);
    if (repeated) return undefined;
    let json = "";
    let fits = true;
    for (const member of members) {
      // CrateDB drops nulls from objects with columns.
      if (isNull(member.type)) {
        this.#leavesOut = true;
        continue;
      }
      const text = this.#member(member, column);
      if (text === undefined) fits = false;
      else if (text !== LEFT_OUT) json += `${json === "" ? "" : ","}${member.name.json}${text}`;
    }
    return fits ? `{${json}}` : undefined;
  }

  #member(member: Member, parent: Column): string | undefined {
    const { text: name } = member.name;
    if (parent.kind === "ignored") return isReadable(name) ? steadyJson(member) : undefined;
    this.#path.push(name);
    const infers = parent.kind === "any" && !isRefusedName(name) && !isVoid(member);
    const column = infers ? parent : parent.children?.get(name);
    const text = column ? this.#value(member, column) : this.#withoutColumn(member, parent);
    this.#path.pop();
    return text;
  }

  #withoutColumn(member: Member, { closed }: Column): string | undefined {
    if (closed || isRefusedName(member.name.text)) return undefined;
    if (isVoid(member)) {
      if (this.#arrays === 0) return undefined;
      this.misfits = this.#leavesOut = true;
      return LEFT_OUT;
    }
    this.missing ||= inferColumns(member, this.#depth) !== undefined;
    return undefined;
  }

  #value(value: BsonValue, column: Column): string | undefined {
    const scalar = SCALARS[value.type];
    if (scalar) {
      if (scalar.column === undefined) return "null";
      const kind = column.kind === "any" ? scalar.column : column.kind;
      const text = scalar.fits[kind]?.(value.bytes, value.offset, value.length);
      if (text === undefined && widening(value, column.kind)) this.#widen();
      return text;
    }
    if (this.#depth > MAX_DEPTH) return undefined;
    const takesAll = column.kind === "any";
    if (value.type === BsonType.array) {
      const element = takesAll ? column : column.element;
      return element && this.#array(value, element);
    }
    if (column.kind === "ignored") return ignoredJson(value);
    const document = takesAll || column.kind === "object" ? asDocument(value) : undefined;
    return document && (this.#arrays > 0 ? this.#item(document, column) : this.object(document, column));
  }

  #array({ bytes, offset: start }: BsonValue, column: Column): string | undefined {
    this.#arrays++;
    let json = "";
    let fits = true;
    for (const [type, , , offset, length] of elements(bytes, start)) {
      const text = this.#value({ type, bytes, offset, length }, column);
      if (text === undefined) fits = false;
      else json += `${json === "" ? "" : ","}${text}`;
    }
    this.#arrays--;
    return fits ? `[${json}]` : undefined;
  }

  get #depth(): number {
    return this.#path.length + this.#arrays;
  }

  #widen(): void {
    this.narrow ??= new Map();
    this.narrow.set(JSON.stringify(this.#path), [...this.#path]);
  }

  #misfit(name: string, json: string): void {
    this.misfits = true;
    this.#put(name, json);
  }

  #put(name: string, json: string): void {
    let node = this.overflow ??= new Map();
    for (const step of this.#path) {
      let child = node.get(step);
      if (!(child instanceof Map)) node.set(step, child = new Map());
      node = child;
    }
    node.set(name, json);
  }
}

/** JSON of a value whose names CrateDB gives back as they are; undefined where it doesn't. */
function steadyJson(value: BsonValue): string | undefined {
  const json = jsonOf(value);
  return mayNeedEscaping(json) && json !== jsonOf(value, escaped) ? undefined : json;
}

/** JSON of an object in an OBJECT(IGNORED), whose first level may have names of digits. */
function ignoredJson(value: BsonValue): string | undefined {
  const document = asDocument(value);
  if (!document) return undefined;
  const json = jsonOf(document);
  if (!mayNeedEscaping(json)) return json;
  const isSteady = (member: Member) => isReadable(member.name.text) && steadyJson(member) !== undefined;
  return fieldsOf(document).members.every(isSteady) ? json : undefined;
}

const isNull = (type: number): boolean => type === BsonType.null || type === BsonType.undefined;

/**
 * Arrays of nothing, `[]`, `[null]`, `[[null]]`, ask for no column. CrateDB 5.7 takes one for null once there is a
 * column of another type; 6.4 makes a column of an undefined type, and cannot read the table once it has one.
 */
function isVoid({ type, bytes, offset: start }: BsonValue): boolean {
  if (type !== BsonType.array) return false;
  for (const [type, , , offset, length] of elements(bytes, start)) {
    if (!isNull(type) && !isVoid({ type, bytes, offset, length })) return false;
  }
  return true;
}

/** Names are escaped, as those inside the values are. */
const overflowText = (overflow: Overflow, spell = escapeTopName): string =>
  `{${
    [...overflow].map(([name, value]) =>
      `${JSON.stringify(spell(name))}:${typeof value === "string" ? value : overflowText(value, escapeName)}`
    ).join(",")
  }}`;
