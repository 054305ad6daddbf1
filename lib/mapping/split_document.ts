/** Splits a document into `data` and `overflow`, which gets what a column would change or refuse. */
import { BsonType, type BsonValue, documentValue, float64At, itemsOf, stringAt } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import type { Name } from "../bson/field_name_cache.ts";
import { type Field, fieldsOf } from "../bson/fields.ts";
import { JSON_PART, jsonBytes, jsonOfBytes, JsonWriter, latin1, SIGN } from "../util/json_writer.ts";
import { jsonText, parseJson } from "../util/lossless_json.ts";
import {
  escaped,
  escapedAtTop,
  writeIgnored,
  writeJson,
  writeRepeat,
  writeUnescaped,
} from "./bson_to_json.ts";
import { checkNames, classify, isId, isNull, MAX_DEPTH } from "./classify.ts";
import type { Column, ColumnPath } from "./column_tree.ts";
import { needsWidening, SCALARS } from "./column_types.ts";
import { writeNumeric } from "./decimal.ts";
import { escapeNames, isReadable, mayNeedEscaping } from "./escape_name.ts";

/** The columns `data` and `overflow` of a row, as JSON text. */
export interface StoredRow {
  readonly data: string;
  /** Null if everything fits. */
  readonly overflow: string | null;
}

export interface SplitDocument {
  /** The columns `data` and `overflow` of a row, as {@linkcode jsonBytes} makes them. */
  readonly data: Uint8Array;
  /** Null if everything fits. */
  readonly overflow: Uint8Array | null;
  /** Whether `overflow` has more than nulls, which SQL does not distinguish from missing values. */
  readonly overflowed: boolean;
  /** Whether a value is in `overflow` only because it has no column yet. */
  readonly needsColumns: boolean;
  /** Paths of the columns that have to be widened for their values, each once. */
  readonly needsWidening: readonly ColumnPath[];
}

/** What a name has in `overflow`: a value, all values of a name that repeats, or names below it. */
type Outside = BsonValue | readonly Field[] | Overflow;
type Overflow = Map<Name, Outside>;

/** Whether a value is in `data`, is not, or is left out of an array's object in `data`. */
type Place = "data" | "overflow" | "left out";

const COMPLETE = { overflow: null, overflowed: false, needsColumns: false, needsWidening: [] } as const;

const json = new JsonWriter();

/**
 * @example
 * IN: {_id: 1, t: 20.5, "a.b": 1} with columns {_id: bigint, t: double}
 * OUT: {data: {"_id":1,"t":20.5}, overflow: {"a.b":1}, overflowed: true, needsColumns: false, needsWidening: []}
 */
export function splitDocument(document: Uint8Array, columns: Column): SplitDocument {
  const root = documentValue(document);
  json.begin(document.length);
  if (columns.kind === "jsonb") {
    const { data, overflow } = splitForJsonb(root);
    return { ...COMPLETE, data, overflow, overflowed: overflow !== null };
  }
  checkNames(root);
  if (columns.kind === "ignored") {
    writeJson(json, root);
    const data = json.take();
    if (!mayNeedEscaping(data)) return { ...COMPLETE, data };
  }
  const splitter = new Splitter();
  splitter.object(root, columns);
  const data = json.take();
  const { overflow, overflowed, needsColumns, needsWidening } = splitter;
  return {
    data,
    overflow: overflow ? overflowOf(overflow) : null,
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
  readonly #path: Name[] = [];
  /** The arrays around the current value. A value in them that does not fit moves the outermost one to `overflow`. */
  #arrays = 0;
  /** Whether `data` lacks nulls or empty arrays of objects in the current array. */
  #leavesOut = false;

  /** Writes what fits; the rest goes to `overflow`. */
  object(document: BsonValue, column: Column): void {
    const { fields, repeats } = fieldsOf(document);
    for (const [first, ...others] of repeats.values()) {
      if (first) this.#putOverflow(first.name, [first, ...others]);
    }
    json.sign(SIGN.objectStart);
    const start = json.length;
    for (const field of fields) {
      const { name, type } = field;
      if (repeats.has(name.text)) continue;
      if (isNull(type)) {
        this.#put(name, field);
        continue;
      }
      this.#leavesOut = false;
      if (this.#member(field, column, start) === "overflow") this.#putOverflow(name, field);
      // `data` keeps the rest of the array for queries; `overflow` gets all of it.
      else if (this.#leavesOut && type === BsonType.array) this.#put(name, field);
    }
    json.sign(SIGN.objectEnd);
  }

  /** Writes an object inside an array. False unless all of it fits. Visits all fields in any case. */
  #item(document: BsonValue, column: Column): boolean {
    const { fields, repeats } = fieldsOf(document);
    if (repeats.size > 0) return false;
    json.sign(SIGN.objectStart);
    const start = json.length;
    let fits = true;
    for (const field of fields) {
      // CrateDB drops nulls from objects with columns.
      if (isNull(field.type)) this.#leavesOut = true;
      else if (this.#member(field, column, start) === "overflow") fits = false;
    }
    json.sign(SIGN.objectEnd);
    return fits;
  }

  /** Writes a field of an object whose members begin at `start`, unless it is not in `data`. */
  #member(field: Field, parent: Column, start: number): Place {
    const before = json.length;
    startMember(json, start, field.name.json);
    const place = this.#field(field, parent);
    if (place !== "data") json.truncate(before);
    return place;
  }

  #field(field: Field, parent: Column): Place {
    const { name } = field;
    if (parent.kind === "ignored") return placeIf(isReadable(name.text) && writeUnescaped(json, field));
    this.#path.push(name);
    const isInferred = parent.kind === "any" && classify(field, this.#depth) === "column";
    const column = isInferred ? parent : parent.children?.get(name.text);
    const place = column ? placeIf(this.#value(field, column)) : this.#withoutColumn(field, parent);
    this.#path.pop();
    return place;
  }

  #withoutColumn(field: Field, { closed, hasIds }: Column): Place {
    if (closed || hasIds && isId(field.name.text)) return "overflow";
    const fieldClass = classify(field, this.#depth);
    if (fieldClass === "column") this.needsColumns = true;
    if (fieldClass !== "empty" || this.#arrays === 0) return "overflow";
    this.overflowed = this.#leavesOut = true;
    return "left out";
  }

  /** Writes a value if all of it fits. What is written of one that does not fit has to be taken back. */
  #value(value: BsonValue, column: Column): boolean {
    const scalar = SCALARS[value.type];
    if (scalar) {
      const { bytes, offset, length } = value;
      if (scalar.column === undefined) {
        json.raw(JSON_PART.null);
        return true;
      }
      if (column.numeric) return writeNumeric(json, value, column.numeric);
      const fit = scalar.fits[column.kind === "any" ? scalar.column : column.kind];
      if (fit && hasLengthOf(column, value) && fit(json, bytes, offset, length)) return true;
      if (needsWidening(value, column.kind)) this.#widen();
      return false;
    }
    if (this.#depth > MAX_DEPTH) return false;
    const takesAll = column.kind === "any";
    if (value.type === BsonType.array) {
      const element = takesAll ? column : column.element;
      return element !== undefined && this.#array(value, element);
    }
    if (column.kind === "ignored") return writeIgnored(json, value);
    const document = takesAll || column.kind === "object" ? asDocument(value) : undefined;
    if (!document) return false;
    if (this.#arrays > 0) return this.#item(document, column);
    this.object(document, column);
    return true;
  }

  #array(array: BsonValue, column: Column): boolean {
    this.#arrays++;
    json.sign(SIGN.arrayStart);
    const start = json.length;
    let fits = true;
    for (const item of itemsOf(array)) {
      if (json.length > start) json.sign(SIGN.comma);
      if (!this.#value(item, column)) fits = false;
    }
    json.sign(SIGN.arrayEnd);
    this.#arrays--;
    return fits;
  }

  get #depth(): number {
    return this.#path.length + this.#arrays;
  }

  #widen(): void {
    const path = this.#path.map(({ text }) => text);
    this.needsWidening ??= new Map();
    this.needsWidening.set(JSON.stringify(path), path);
  }

  #putOverflow(name: Name, outside: Outside): void {
    this.overflowed = true;
    this.#put(name, outside);
  }

  #put(name: Name, outside: Outside): void {
    let node = this.overflow ??= new Map();
    for (const step of this.#path) {
      let child = node.get(step);
      if (!(child instanceof Map)) node.set(step, child = new Map());
      node = child;
    }
    node.set(name, outside);
  }
}

/** Writes the name of the next member of an object whose members begin at `start`. */
function startMember(to: JsonWriter, start: number, name: Uint8Array): void {
  if (to.length > start) to.sign(SIGN.comma);
  to.raw(name);
}

const placeIf = (fits: boolean): Place => fits ? "data" : "overflow";

function overflowOf(overflow: Overflow): Uint8Array {
  writeOverflow(overflow, escapedAtTop);
  return json.take();
}

function writeOverflow(overflow: Overflow, spelling: typeof escaped): void {
  json.sign(SIGN.objectStart);
  const start = json.length;
  for (const [name, outside] of overflow) {
    startMember(json, start, spelling(name));
    if (outside instanceof Map) writeOverflow(outside, escaped);
    else if ("type" in outside) writeJson(json, outside, escaped);
    else writeRepeat(json, outside, escaped);
  }
  json.sign(SIGN.objectEnd);
}

/** Whether a string has a length that its column stores unchanged. Other columns have no limit. */
function hasLengthOf({ kind, length }: Column, { bytes, offset }: BsonValue): boolean {
  if (length === undefined) return true;
  const characters = stringAt(bytes, offset).length;
  return kind === "char" ? characters === length : characters <= length;
}

/** For JSONB, which refuses NUL and drops the sign of zero. @example IN: {a: -0.0, d: 1} → OUT: {data: {"d":1}, overflow: {"a":-0.0}} */
export function splitForJsonb(document: BsonValue): Pick<SplitDocument, "data" | "overflow"> {
  json.begin(document.length);
  writeJson(json, document);
  const whole = json.take();
  if (!SUSPECT.test(latin1(whole)) || !isChanged(document)) return { data: whole, overflow: null };
  const fields = fieldsToSplit(document);
  if (!fields) return { data: EMPTY, overflow: escapedNames(whole) };
  rest.begin(0);
  splitFields(fields);
  return { data: json.take(), overflow: escapedNames(rest.take()) };
}

/** The escape of a NUL or what looks like one, and negative zero. */
const SUSPECT = /\\u0000|-0\.0/;
const EMPTY = jsonBytes("{}");

/** The types whose values may have a NUL. */
const TEXTS: readonly number[] = [BsonType.string, BsonType.symbol, BsonType.code];

const rest = new JsonWriter();

const escapedNames = (overflow: Uint8Array): Uint8Array =>
  mayNeedEscaping(overflow) ? jsonBytes(jsonText(escapeNames(parseJson(jsonOfBytes(overflow))))) : overflow;

/** The fields of an object of which only a part has to go to `overflow`. */
function fieldsToSplit(value: BsonValue): readonly Field[] | undefined {
  const document = asDocument(value);
  const found = document && fieldsOf(document);
  return found?.repeats.size === 0 ? found.fields : undefined;
}

/** Writes the smallest values outside any array that JSONB would change to `rest`, and the others to `json`. */
function splitFields(fields: readonly Field[]): void {
  json.sign(SIGN.objectStart);
  rest.sign(SIGN.objectStart);
  const starts = [json.length, rest.length] as const;
  for (const field of fields) {
    const changed = isChanged(field);
    const inside = changed ? fieldsToSplit(field) : undefined;
    if (!changed || inside) startMember(json, starts[0], field.name.json);
    if (changed) startMember(rest, starts[1], field.name.json);
    if (inside) splitFields(inside);
    else writeJson(changed ? rest : json, field);
  }
  json.sign(SIGN.objectEnd);
  rest.sign(SIGN.objectEnd);
}

function isChanged(value: BsonValue): boolean {
  const { type, bytes, offset } = value;
  if (type === BsonType.double) return Object.is(float64At(bytes, offset), -0);
  if (type === BsonType.array) return itemsOf(value).some(isChanged);
  if (TEXTS.includes(type)) return stringAt(bytes, offset).includes("\0");
  const document = asDocument(value);
  return document !== undefined && fieldsOf(document).fields.some(isChanged);
}
