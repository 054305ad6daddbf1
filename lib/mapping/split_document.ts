/** Splits a document into `data` and `overflow`, which gets what a column would change or refuse. */
import { BsonType, type BsonValue, documentValue, float64At, itemsOf } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { type Field, fieldsOf } from "../bson/fields.ts";
import { flatText, jsonText, parseJson } from "../util/lossless_json.ts";
import { escaped, jsonOf, repeatJson } from "./bson_to_json.ts";
import { checkNames, classify, isId, isNull, MAX_DEPTH } from "./classify.ts";
import type { Column, ColumnPath } from "./column_tree.ts";
import { needsWidening, SCALARS } from "./column_types.ts";
import { escapeName, escapeNames, escapeTopName, isReadable, mayNeedEscaping } from "./escape_name.ts";

/** The columns `data` and `overflow` of a row, as JSON text. */
export interface StoredRow {
  readonly data: string;
  /** Null if everything fits. */
  readonly overflow: string | null;
}

export interface SplitDocument extends StoredRow {
  /** Whether `overflow` has more than nulls, which SQL does not distinguish from missing values. */
  readonly overflowed: boolean;
  /** Whether a value is in `overflow` only because it has no column yet. */
  readonly needsColumns: boolean;
  /** Paths of the columns that have to be widened for their values, each once. */
  readonly needsWidening: readonly ColumnPath[];
}

type Overflow = Map<string, Overflow | string>;

const COMPLETE = { overflow: null, overflowed: false, needsColumns: false, needsWidening: [] } as const;
/** Stands for JSON that is left out of an array's object in `data`. */
const LEFT_OUT = "";

/**
 * @example
 * IN: {_id: 1, t: 20.5, "a.b": 1} with columns {_id: bigint, t: double}
 * OUT: {data: '{"_id":1,"t":20.5}', overflow: '{"a.b":1}', overflowed: true, needsColumns: false, needsWidening: []}
 */
export function splitDocument(document: Uint8Array, columns: Column): SplitDocument {
  const root = documentValue(document);
  if (columns.kind === "jsonb") {
    const { data, overflow } = splitForJsonb(root);
    return { ...COMPLETE, data, overflow, overflowed: overflow !== null };
  }
  checkNames(root);
  if (columns.kind === "ignored") {
    const data = jsonOf(root);
    if (!mayNeedEscaping(data)) return { ...COMPLETE, data };
  }
  const splitter = new Splitter();
  const data = flatText(splitter.object(root, columns));
  const { overflow, overflowed, needsColumns, needsWidening } = splitter;
  return {
    data,
    overflow: overflow ? flatText(overflowText(overflow)) : null,
    overflowed,
    needsColumns,
    needsWidening: needsWidening ? [...needsWidening.values()] : COMPLETE.needsWidening,
  };
}

class Splitter {
  overflow: Overflow | undefined;
  overflowed = false;
  needsColumns = false;
  needsWidening: Map<string, ColumnPath> | undefined;
  /** The names from the document's root to the current value. */
  readonly #path: string[] = [];
  /** The arrays around the current value. A value in them that does not fit moves the outermost one to `overflow`. */
  #arrays = 0;
  /** Whether `data` lacks nulls or empty arrays of objects in the current array. */
  #leavesOut = false;

  /** @returns JSON of what fits; the rest goes to `overflow` */
  object(document: BsonValue, column: Column): string {
    const { fields, repeats } = fieldsOf(document);
    for (const [name, equal] of repeats) this.#putOverflow(name, repeatJson(equal, escaped));
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
      // `data` keeps the rest of the array for queries; `overflow` gets all of it.
      if (this.#leavesOut && type === BsonType.array) this.#put(name.text, jsonOf(field, escaped));
    }
    return `{${json}}`;
  }

  /** JSON of an object inside an array; undefined unless all of it fits. Visits all fields in any case. */
  #item(document: BsonValue, column: Column): string | undefined {
    const { fields, repeats } = fieldsOf(document);
    if (repeats.size > 0) return undefined;
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
    const isInferred = parent.kind === "any" && classify(field, this.#depth) === "column";
    const column = isInferred ? parent : parent.children?.get(name);
    const text = column ? this.#value(field, column) : this.#withoutColumn(field, parent);
    this.#path.pop();
    return text;
  }

  #withoutColumn(field: Field, { closed, hasIds }: Column): string | undefined {
    if (closed || hasIds && isId(field.name.text)) return undefined;
    const fieldClass = classify(field, this.#depth);
    if (fieldClass === "column") this.needsColumns = true;
    if (fieldClass !== "empty" || this.#arrays === 0) return undefined;
    this.overflowed = this.#leavesOut = true;
    return LEFT_OUT;
  }

  #value(value: BsonValue, column: Column): string | undefined {
    const scalar = SCALARS[value.type];
    if (scalar) {
      if (scalar.column === undefined) return "null";
      const kind = column.kind === "any" ? scalar.column : column.kind;
      const fitting = scalar.fits[kind]?.(value.bytes, value.offset, value.length);
      const text = fitting !== undefined && hasLengthOf(column, fitting) ? fitting : undefined;
      if (text === undefined && needsWidening(value, column.kind)) this.#widen();
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

  #array(array: BsonValue, column: Column): string | undefined {
    this.#arrays++;
    let json = "";
    let fits = true;
    for (const item of itemsOf(array)) {
      const text = this.#value(item, column);
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

/** JSON of an object in an OBJECT(IGNORED); undefined if CrateDB would not return its names unchanged. */
function ignoredJson(value: BsonValue): string | undefined {
  const document = asDocument(value);
  if (!document) return undefined;
  const json = jsonOf(document);
  if (!mayNeedEscaping(json)) return json;
  const isUnchanged = (field: Field) => isReadable(field.name.text) && unchangedJson(field) !== undefined;
  return fieldsOf(document).fields.every(isUnchanged) ? json : undefined;
}

/** Escapes names. Those inside the values are escaped already. */
const overflowText = (overflow: Overflow, spell = escapeTopName): string =>
  `{${
    [...overflow].map(([name, value]) =>
      `${JSON.stringify(spell(name))}:${typeof value === "string" ? value : overflowText(value, escapeName)}`
    ).join(",")
  }}`;

/** Whether a JSON string has a length that its column stores unchanged. Other columns have no limit. */
function hasLengthOf({ kind, length }: Column, json: string): boolean {
  if (length === undefined) return true;
  const characters = (JSON.parse(json) as string).length;
  return kind === "char" ? characters === length : characters <= length;
}

/** For JSONB, which refuses NUL and drops the sign of zero. @example IN: {a: -0.0, d: 1} → OUT: {data: '{"d":1}', overflow: '{"a":-0.0}'} */
export function splitForJsonb(document: BsonValue): { data: string; overflow: string | null } {
  const json = jsonOf(document);
  if (!SUSPECT.test(json)) return { data: json, overflow: null };
  const { data = "{}", overflow = null } = split(document);
  const needsEscaping = overflow !== null && mayNeedEscaping(overflow);
  return { data, overflow: needsEscaping ? jsonText(escapeNames(parseJson(overflow))) : overflow };
}

/** The escape of a NUL; not an escaped backslash before `u0000`. */
const NUL = /(?<!\\)(?:\\\\)*\\u0000/;
const SUSPECT = /\\u0000|-0\.0/;

/** Moves the smallest value outside any array to `overflow` that JSONB would change. */
function split(value: BsonValue): { data: string | undefined; overflow: string | undefined } {
  if (!isChanged(value)) return { data: jsonOf(value), overflow: undefined };
  const document = asDocument(value);
  const found = document && fieldsOf(document);
  if (!found || found.repeats.size > 0) return { data: undefined, overflow: jsonOf(value) };
  const data: string[] = [];
  const overflow: string[] = [];
  for (const field of found.fields) {
    const parts = split(field);
    if (parts.data !== undefined) data.push(field.name.json + parts.data);
    if (parts.overflow !== undefined) overflow.push(field.name.json + parts.overflow);
  }
  return { data: `{${data.join(",")}}`, overflow: `{${overflow.join(",")}}` };
}

function isChanged(value: BsonValue): boolean {
  const { type, bytes, offset } = value;
  if (type === BsonType.double) return Object.is(float64At(bytes, offset), -0);
  if (type === BsonType.array) return itemsOf(value).some(isChanged);
  const document = asDocument(value);
  return document ? fieldsOf(document).fields.some(isChanged) : NUL.test(jsonOf(value));
}
