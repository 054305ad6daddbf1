/** Splits a document into `data` and `overflow`, which gets what a column would change or refuse. */
import { BsonType, type BsonValue, documentValue, float64At, itemsOf, stringAt } from "../bson/bson.ts";
import { asDocument } from "../bson/build.ts";
import { longNames, type Name } from "../bson/field_name_cache.ts";
import { type Field, FieldCursor, fieldsOf, namesMayRepeat, NO_REPEATS } from "../bson/fields.ts";
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
const cursor = new FieldCursor();

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
  const long = longNames();
  const split = columns.kind === "ignored" && unsplit(root) || splitByColumns(root, columns);
  // Only a document with long names is searched for one that is too long.
  if (longNames() > long) checkNames(root);
  return split;
}

/** The whole document, unless names in it may have to be escaped. */
function unsplit(root: BsonValue): SplitDocument | undefined {
  writeJson(json, root);
  const data = json.take();
  return mayNeedEscaping(data) ? undefined : { ...COMPLETE, data };
}

function splitByColumns(root: BsonValue, columns: Column): SplitDocument {
  let splitter = new Splitter();
  splitter.object(root, columns, cursor);
  if (splitter.mayRepeat) {
    json.begin(root.length);
    splitter = new Splitter();
    splitter.findsRepeats = true;
    splitter.object(root, columns, cursor);
  }
  cursor.release();
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
  /** Whether to look for names that repeat, and if not, whether there may be one, so that all has to be written again. */
  findsRepeats = false;
  mayRepeat = false;
  /** The arrays around the current value. A value in them that does not fit moves the outermost one to `overflow`. */
  #arrays = 0;
  /** Whether `data` lacks nulls or empty arrays of objects in the current array. */
  #leavesOut = false;

  /** Writes what fits; the rest goes to `overflow`. */
  object(document: BsonValue, column: Column, outer: FieldCursor): void {
    const repeats = this.findsRepeats ? fieldsOf(document).repeats : NO_REPEATS;
    for (const [first, ...others] of repeats.values()) {
      if (first) this.#putOverflow([...outer.path, first.name], [first, ...others]);
    }
    json.sign(SIGN.objectStart);
    const start = json.length;
    const field = outer.inside(document);
    while (field.nextField()) {
      if (repeats.size > 0 && repeats.has(field.name.text)) continue;
      if (isNull(field.type)) {
        this.#put(field.path, field.value);
        continue;
      }
      this.#leavesOut = false;
      if (this.#member(field, column, start) === "overflow") this.#putOverflow(field.path, field.value);
      // `data` keeps the rest of the array for queries; `overflow` gets all of it.
      else if (this.#leavesOut && field.type === BsonType.array) this.#put(field.path, field.value);
    }
    this.mayRepeat ||= field.mayRepeat && namesMayRepeat(document);
    json.sign(SIGN.objectEnd);
  }

  /** Writes an object inside an array. False unless all of it fits. Visits all fields in any case. */
  #item(document: BsonValue, column: Column, outer: FieldCursor): boolean {
    if (this.findsRepeats && fieldsOf(document).repeats.size > 0) return false;
    json.sign(SIGN.objectStart);
    const start = json.length;
    let fits = true;
    const field = outer.inside(document);
    while (field.nextField()) {
      // CrateDB drops nulls from objects with columns.
      if (isNull(field.type)) this.#leavesOut = true;
      else if (this.#member(field, column, start) === "overflow") fits = false;
    }
    this.mayRepeat ||= field.mayRepeat && namesMayRepeat(document);
    json.sign(SIGN.objectEnd);
    return fits;
  }

  /** Writes a field of an object whose members begin at `start`, unless it is not in `data`. */
  #member(field: FieldCursor, parent: Column, start: number): Place {
    const { name } = field;
    const isInferred = parent.kind === "any" && classify(field, field.depth) === "column";
    const column = isInferred ? parent : parent.children?.get(name.text);
    if (parent.kind !== "ignored" && !column) return this.#withoutColumn(field, parent);
    if (!column && !isReadable(name.text)) return "overflow";
    const before = json.length;
    json.member(name.json, start);
    const fits = column ? this.#value(field, column) : writeUnescaped(json, field);
    if (!fits) json.truncate(before);
    return fits ? "data" : "overflow";
  }

  #withoutColumn(field: FieldCursor, { closed, hasIds }: Column): Place {
    if (closed || hasIds && isId(field.name.text)) return "overflow";
    const fieldClass = classify(field, field.depth);
    if (fieldClass === "column") this.needsColumns = true;
    if (fieldClass !== "empty" || this.#arrays === 0) return "overflow";
    this.overflowed = this.#leavesOut = true;
    return "left out";
  }

  /** Writes a value if all of it fits. What is written of one that does not fit has to be taken back. */
  #value(value: FieldCursor, column: Column): boolean {
    const scalar = SCALARS[value.type];
    if (scalar) {
      const { bytes, offset, length } = value;
      if (scalar.column === undefined) {
        json.part(JSON_PART.null);
        return true;
      }
      const { kind } = column;
      const fit = kind === scalar.column || kind === "any" ? scalar.own : scalar.fits[kind];
      if (fit && hasLengthOf(column, value) && fit(json, bytes, offset, length) !== false) return true;
      if (needsWidening(value, column.kind)) this.#widen(value);
      return false;
    }
    if (value.depth > MAX_DEPTH) return false;
    const takesAll = column.kind === "any";
    if (value.type === BsonType.array) {
      const element = takesAll ? column : column.element;
      return element !== undefined && this.#array(value, element);
    }
    if (column.kind === "ignored") return writeIgnored(json, value);
    const document = takesAll || column.kind === "object" ? asDocument(value) : undefined;
    if (!document) return false;
    if (this.#arrays > 0) return this.#item(document, column, value);
    this.object(document, column, value);
    return true;
  }

  #array(array: FieldCursor, column: Column): boolean {
    this.#arrays++;
    json.sign(SIGN.arrayStart);
    const start = json.length;
    let fits = true;
    const item = array.inside(array);
    while (item.next()) {
      if (json.length > start) json.sign(SIGN.comma);
      if (!this.#value(item, column)) fits = false;
    }
    json.sign(SIGN.arrayEnd);
    this.#arrays--;
    return fits;
  }

  #widen(value: FieldCursor): void {
    const path = value.path.map(({ text }) => text);
    this.needsWidening ??= new Map();
    this.needsWidening.set(JSON.stringify(path), path);
  }

  #putOverflow(path: readonly Name[], outside: Outside): void {
    this.overflowed = true;
    this.#put(path, outside);
  }

  #put(path: readonly Name[], outside: Outside): void {
    let node = this.overflow ??= new Map();
    for (const step of path.slice(0, -1)) {
      let child = node.get(step);
      if (!(child instanceof Map)) node.set(step, child = new Map());
      node = child;
    }
    node.set(path.at(-1) as Name, outside);
  }
}

function overflowOf(overflow: Overflow): Uint8Array {
  writeOverflow(overflow, escapedAtTop);
  return json.take();
}

function writeOverflow(overflow: Overflow, spelling: typeof escaped): void {
  json.sign(SIGN.objectStart);
  const start = json.length;
  for (const [name, outside] of overflow) {
    json.member(spelling(name), start);
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
    if (!changed || inside) json.member(field.name.json, starts[0]);
    if (changed) rest.member(field.name.json, starts[1]);
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
