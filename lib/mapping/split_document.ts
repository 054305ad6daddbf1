/**
 * Splits a document into `data` and `overflow`, which takes what a column would change or refuse. Pure. Both merged are
 * always the whole document.
 */
import { BsonType, type BsonValue, elements } from "../bson/bson.ts";
import { type Column, type ColumnPath, isRefusedName, MAX_DEPTH, needsColumn } from "./column_tree.ts";
import { duplicates, escaped, jsonOf } from "./bson_to_json.ts";
import { asDocument } from "../bson/build.ts";
import { checkNames } from "./check_names.ts";
import { isId } from "./maps.ts";
import { SCALARS, widening } from "./column_types.ts";
import { type Field, fieldsOf } from "../bson/fields.ts";
import { flatText } from "../util/flat_text.ts";
import { splitForJsonb } from "./split_for_jsonb.ts";
import { escapeName, escapeTopName, isReadable, mayNeedEscaping } from "./escape_name.ts";

export interface SplitDocument {
  /** JSON text for the column `data`. */
  readonly data: string;
  /** JSON text for the column `overflow`, or null when everything fits. */
  readonly overflow: string | null;
  /** Whether `overflow` has more than nulls. (SQL does not tell a null from a missing value.) */
  readonly overflowed: boolean;
  /** Whether something is in `overflow` only because it has no column yet. */
  readonly needsColumns: boolean;
  /** Paths of the columns that have to become wider to take their values, each once. */
  readonly needsWidening: readonly ColumnPath[];
}

type Overflow = Map<string, Overflow | string>;

const NO_PATHS: readonly ColumnPath[] = [];
const NO_REPEATS: ReadonlyMap<string, string> = new Map();
/** Stands for JSON that is left out of an array's object in `data`. */
const LEFT_OUT = "";

/**
 * @example
 * IN: {_id: 1, t: 20.5, "a.b": 1} with columns {_id: bigint, t: double}
 * OUT: {data: '{"_id":1,"t":20.5}', overflow: '{"a.b":1}', overflowed: true, needsColumns: false, needsWidening: []}
 *
 * @throws UnstorableError
 */
export function splitDocument(document: Uint8Array, columns: Column): SplitDocument {
  const root: BsonValue = { type: BsonType.document, bytes: document, offset: 0, length: document.length };
  if (columns.kind !== "jsonb") checkNames(root);
  if (columns.kind === "ignored") {
    const json = jsonOf(root);
    if (!mayNeedEscaping(json)) {
      return { data: json, overflow: null, overflowed: false, needsColumns: false, needsWidening: NO_PATHS };
    }
  }
  if (columns.kind === "jsonb") {
    const { data, overflow } = splitForJsonb(root);
    return { data, overflow, overflowed: overflow !== null, needsColumns: false, needsWidening: NO_PATHS };
  }
  const splitter = new Splitter();
  const data = flatText(splitter.object(root, columns));
  const { overflow, overflowed, needsColumns, needsWidening } = splitter;
  return {
    data,
    overflow: overflow ? flatText(overflowText(overflow)) : null,
    overflowed,
    needsColumns,
    needsWidening: needsWidening ? [...needsWidening.values()] : NO_PATHS,
  };
}

class Splitter {
  overflow: Overflow | undefined;
  overflowed = false;
  needsColumns = false;
  needsWidening: Map<string, ColumnPath> | undefined;
  /** The names from the document's root to the current value. */
  readonly #path: string[] = [];
  /** Nothing can be left out inside an array: a value that does not fit takes the outermost array with it. */
  #arrays = 0;
  /** Whether objects in the current array lack something in `data`: nulls, and empty arrays. */
  #leavesOut = false;

  /** @returns JSON of what fits; the rest goes to `overflow` */
  object(document: BsonValue, column: Column): string {
    const { fields, repeated } = fieldsOf(document);
    const repeats = repeated ? duplicates(document, escaped) : NO_REPEATS;
    for (const [name, json] of repeats) this.#putOverflow(name, json);
    let json = "";
    for (const field of fields) {
      const { name, type } = field;
      if (repeats.has(name.text)) continue;
      if (isNull(type)) {
        this.#put(name.text, "null");
        continue;
      }
      this.#leavesOut = false;
      const text = this.#field(field, column);
      if (text === undefined) {
        this.#putOverflow(name.text, jsonOf(field, escaped));
        continue;
      }
      if (json !== "") json += ",";
      json += name.json;
      json += text;
      // The rest of the array stays in `data` for queries; `overflow` has it unchanged.
      if (this.#leavesOut && type === BsonType.array) this.#put(name.text, jsonOf(field, escaped));
    }
    return `{${json}}`;
  }

  /** JSON of an object inside an array; undefined unless all of it fits. All fields are visited in any case. */
  #item(document: BsonValue, column: Column): string | undefined {
    const { fields, repeated } = fieldsOf(document);
    if (repeated) return undefined;
    let json = "";
    let fits = true;
    for (const field of fields) {
      // CrateDB drops nulls from objects with columns.
      if (isNull(field.type)) {
        this.#leavesOut = true;
        continue;
      }
      const text = this.#field(field, column);
      if (text === undefined) fits = false;
      else if (text !== LEFT_OUT) {
        if (json !== "") json += ",";
        json += field.name.json;
        json += text;
      }
    }
    return fits ? `{${json}}` : undefined;
  }

  #field(field: Field, parent: Column): string | undefined {
    const { text: name } = field.name;
    if (parent.kind === "ignored") return isReadable(name) ? unchangedJson(field) : undefined;
    this.#path.push(name);
    const infers = parent.kind === "any" && !isRefusedName(name) && !isEmptyArray(field);
    const column = infers ? parent : parent.children?.get(name);
    const text = column ? this.#value(field, column) : this.#withoutColumn(field, parent);
    this.#path.pop();
    return text;
  }

  #withoutColumn(field: Field, { closed, hasIds }: Column): string | undefined {
    const { text: name } = field.name;
    if (closed || isRefusedName(name) || hasIds && isId(name)) return undefined;
    if (isEmptyArray(field)) {
      if (this.#arrays === 0) return undefined;
      this.overflowed = this.#leavesOut = true;
      return LEFT_OUT;
    }
    this.needsColumns ||= needsColumn(field, this.#depth);
    return undefined;
  }

  #value(value: BsonValue, column: Column): string | undefined {
    const scalar = SCALARS[value.type];
    if (scalar) {
      if (scalar.column === undefined) return "null";
      const kind = column.kind === "any" ? scalar.column : column.kind;
      const fitting = scalar.fits[kind]?.(value.bytes, value.offset, value.length);
      const text = fitting !== undefined && hasLengthOf(column, fitting) ? fitting : undefined;
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
    this.needsWidening ??= new Map();
    this.needsWidening.set(JSON.stringify(this.#path), [...this.#path]);
  }

  #putOverflow(name: string, json: string): void {
    this.overflowed = true;
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

/** JSON of a value; undefined if CrateDB would not return its names unchanged. */
function unchangedJson(value: BsonValue): string | undefined {
  const json = jsonOf(value);
  return mayNeedEscaping(json) && json !== jsonOf(value, escaped) ? undefined : json;
}

/** JSON of an object in an OBJECT(IGNORED). Names of digits are safe at its first level. */
function ignoredJson(value: BsonValue): string | undefined {
  const document = asDocument(value);
  if (!document) return undefined;
  const json = jsonOf(document);
  if (!mayNeedEscaping(json)) return json;
  const isUnchanged = (field: Field) => isReadable(field.name.text) && unchangedJson(field) !== undefined;
  return fieldsOf(document).fields.every(isUnchanged) ? json : undefined;
}

const isNull = (type: number): boolean => type === BsonType.null || type === BsonType.undefined;

/**
 * Empty arrays (`[]`, `[null]`, `[[null]]`) need no column. CrateDB 5.7 turns one into null once there is a column of
 * another type; 6.4 makes a column of an undefined type, and cannot read the table any more once it has a type.
 */
function isEmptyArray({ type, bytes, offset: start }: BsonValue): boolean {
  if (type !== BsonType.array) return false;
  for (const [type, , , offset, length] of elements(bytes, start)) {
    if (!isNull(type) && !isEmptyArray({ type, bytes, offset, length })) return false;
  }
  return true;
}

/** Escapes names; those inside the values are escaped already. */
const overflowText = (overflow: Overflow, spell = escapeTopName): string =>
  `{${
    [...overflow].map(([name, value]) =>
      `${JSON.stringify(spell(name))}:${typeof value === "string" ? value : overflowText(value, escapeName)}`
    ).join(",")
  }}`;

/** Whether a JSON string is as long as its column takes without changing it; true of any other column. */
function hasLengthOf({ kind, length }: Column, json: string): boolean {
  if (length === undefined) return true;
  const characters = (JSON.parse(json) as string).length;
  return kind === "char" ? characters === length : characters <= length;
}
