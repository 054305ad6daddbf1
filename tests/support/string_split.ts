/** Splits a document by JavaScript strings: what `splitDocument()` has to equal, byte for byte. */
import { isIPv4, isIPv6 } from "node:net";
import { BSON } from "mongodb";
import {
  base64At,
  BsonType,
  type BsonValue,
  documentValue,
  float64At,
  hexAt,
  int32At,
  int64At,
  itemsOf,
  stringAt,
} from "../../lib/bson/bson.ts";
import { asDocument } from "../../lib/bson/build.ts";
import type { Name } from "../../lib/bson/field_name_cache.ts";
import { type Field, type Fields, fieldsOf } from "../../lib/bson/fields.ts";
import { checkNames, classify, isId, isNull, MAX_DEPTH } from "../../lib/mapping/classify.ts";
import type { Column, ColumnPath } from "../../lib/mapping/column_tree.ts";
import {
  isTooLong,
  type Kind,
  MAX_EXACT,
  MAX_TEXT_BYTES,
  needsWidening,
} from "../../lib/mapping/column_types.ts";
import { escapeName, escapeNames, escapeTopName, isReadable } from "../../lib/mapping/escape_name.ts";
import type { SplitDocument, StoredRow } from "../../lib/mapping/split_document.ts";
import { UnstorableError } from "../../lib/util/errors.ts";
import { jsonText, parseJson } from "../../lib/util/lossless_json.ts";
const MAY_CHANGE = /"#*(?:[1-9]\d*":|_u_|#u:)|[\ud800-\udbff]/;
const mayNeedEscaping = (json: string): boolean => MAY_CHANGE.test(json);

type Render = (...value: Parameters<Fit>) => string;
type Fit = (bytes: Uint8Array, offset: number, length: number) => string | undefined;

interface ScalarRow {
  readonly column: Kind | undefined;
  readonly json: Render;
  readonly fits: Partial<Record<Kind, Fit>>;
}

const FLOAT_DIGITS = 6;
const INT64_MIN = "-9223372036854775808";
const INT64_MAX = "9223372036854775807";
const quoted: Render = (bytes, offset) => JSON.stringify(stringAt(bytes, offset));
const quotedShort: Fit = (bytes, offset, length) =>
  isTooLong(length) ? undefined : quoted(bytes, offset, length);
function doubleText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return Number.isInteger(value) && !text.includes("e") ? `${text}.0` : text;
}
const boolean: Render = (bytes, offset) => bytes[offset] === 1 ? "true" : "false";
const double: Render = (bytes, offset) => doubleText(float64At(bytes, offset));
const int32: Render = (bytes, offset) => String(int32At(bytes, offset));
const int64: Render = (bytes, offset) => String(int64At(bytes, offset));
const wholeDouble = (fit: Fit): Fit => (...value) => {
  const text = fit(...value);
  return text === undefined ? undefined : `${text}.0`;
};
const integralDouble = (limit: number): Fit => (bytes, offset) => {
  const value = float64At(bytes, offset);
  const fits = Number.isInteger(value) && Math.abs(value) <= limit && !Object.is(value, -0);
  return fits ? String(value) : undefined;
};
const smallInt64 = (limit: number): Fit => (bytes, offset) => {
  const value = int64At(bytes, offset);
  return value >= -limit && value <= limit ? String(value) : undefined;
};
const innerInt64: Fit = (bytes, offset) => {
  const text = int64(bytes, offset, 8);
  return text === INT64_MIN || text === INT64_MAX ? undefined : text;
};
const singleDouble: Fit = (bytes, offset) => {
  const value = float64At(bytes, offset);
  const digits = String(value).replace(/e.*|^-?[0.]*|\./g, "").replace(/0+$/, "");
  const isSame = Object.is(Math.fround(value), value) && digits.length <= FLOAT_DIGITS;
  return isSame || !Number.isFinite(value) ? doubleText(value) : undefined;
};
const smallInt32 = (limit: number): Fit => (bytes, offset) =>
  Math.abs(int32At(bytes, offset)) <= limit ? int32(bytes, offset, 4) : undefined;
function binaryText(bytes: Uint8Array, offset: number): string {
  const length = int32At(bytes, offset);
  const subtype = bytes[offset + 4];
  if ((subtype === 3 || subtype === 4) && length === 16) {
    return hexAt(bytes, offset + 5, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
  const inner = subtype === 2 ? 4 : 0;
  return base64At(bytes, offset + 5 + inner, length - inner);
}
function textual(plain: Render): ScalarRow {
  const json: Render = (...value) => `"${plain(...value)}"`;
  const text: Fit = (...value) => {
    const rendered = json(...value);
    return rendered.length - 2 <= MAX_TEXT_BYTES ? rendered : undefined;
  };
  return { column: "text", json, fits: { text, longtext: json } };
}
const address: Fit = (bytes, offset) => {
  const text = stringAt(bytes, offset);
  return isIPv4(text) || isIPv6(text) && isCanonical(text) ? JSON.stringify(text) : undefined;
};
const isCanonical = (text: string): boolean =>
  !text.startsWith("::ffff:") && new URL(`http://[${text}]/`).hostname === `[${text}]`;
const STRING: ScalarRow = {
  column: "text",
  json: quoted,
  fits: { text: quotedShort, longtext: quoted, varchar: quotedShort, char: quotedShort, ip: address },
};
const NULL: ScalarRow = { column: undefined, json: () => "null", fits: {} };
const STRINGS: Readonly<Record<number, ScalarRow>> = {
  [BsonType.string]: STRING,
  [BsonType.symbol]: STRING,
  [BsonType.code]: STRING,
  [BsonType.objectId]: textual((bytes, offset) => hexAt(bytes, offset, 12)),
  [BsonType.decimal128]: textual((bytes, offset) =>
    new BSON.Decimal128(bytes.subarray(offset, offset + 16)).toString()
  ),
  [BsonType.binary]: textual(binaryText),
  [BsonType.minKey]: textual(() => "MinKey"),
  [BsonType.maxKey]: textual(() => "MaxKey"),
  [BsonType.null]: NULL,
  [BsonType.undefined]: NULL,
  [BsonType.boolean]: { column: "boolean", json: boolean, fits: { boolean } },
  [BsonType.int32]: {
    column: "bigint",
    json: int32,
    fits: {
      bigint: int32,
      inferred: int32,
      integer: smallInt32(2 ** 31 - 1),
      smallint: smallInt32(2 ** 15 - 1),
      double: wholeDouble(int32),
      real: wholeDouble(smallInt32(2 ** 24)),
    },
  },
  [BsonType.int64]: {
    column: "bigint",
    json: int64,
    fits: {
      bigint: innerInt64,
      inferred: innerInt64,
      integer: smallInt64(2 ** 31 - 1),
      smallint: smallInt64(2 ** 15 - 1),
      double: wholeDouble(smallInt64(MAX_EXACT)),
      real: wholeDouble(smallInt64(2 ** 24)),
    },
  },
  [BsonType.double]: {
    column: "double",
    json: double,
    fits: {
      double,
      real: singleDouble,
      bigint: integralDouble(MAX_EXACT),
      inferred: integralDouble(MAX_EXACT),
      integer: integralDouble(2 ** 31 - 1),
      smallint: integralDouble(2 ** 15 - 1),
    },
  },
  [BsonType.date]: {
    column: "timestamp",
    json: int64,
    fits: { timestamp: innerInt64, inferred: innerInt64 },
  },
};

type Spelling = (name: Name) => string;
const plain: Spelling = ({ text }) => `${JSON.stringify(text)}:`;
const escaped: Spelling = ({ text }) => `${JSON.stringify(escapeName(text))}:`;
function jsonOf(value: BsonValue, spelling: Spelling = plain): string {
  const scalar = STRINGS[value.type];
  if (scalar) return scalar.json(value.bytes, value.offset, value.length);
  if (value.type === BsonType.array) {
    return `[${itemsOf(value).map((each) => jsonOf(each, spelling)).join(",")}]`;
  }
  const document = asDocument(value);
  if (!document) throw new UnstorableError(`Unknown BSON type ${value.type}`);
  const { fields, repeats } = fieldsOf(document);
  if (repeats.size > 0) return repeatedJson({ fields, repeats }, spelling);
  let json = "";
  for (const field of fields) {
    json += `${json === "" ? "" : ","}${spelling(field.name)}${jsonOf(field, spelling)}`;
  }
  return `{${json}}`;
}
function repeatedJson({ fields, repeats }: Fields, spelling: Spelling): string {
  const json = new Map(fields.map((field) => {
    const equal = repeats.get(field.name.text);
    return [spelling(field.name), equal ? repeatJson(equal, spelling) : jsonOf(field, spelling)];
  }));
  return `{${[...json].map(([name, value]) => `${name}${value}`).join(",")}}`;
}
const repeatJson = (equal: readonly Field[], spelling: Spelling = plain): string =>
  `{"$duplicateKey":[${equal.map((each) => jsonOf(each, spelling)).join(",")}]}`;

type StringSplit = StoredRow & Omit<SplitDocument, "data" | "overflow">;

type Overflow = Map<string, Overflow | string>;
const COMPLETE = { overflow: null, overflowed: false, needsColumns: false, needsWidening: [] } as const;
const LEFT_OUT = "";

export function stringSplit(document: Uint8Array, columns: Column): StringSplit {
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
  const data = splitter.object(root, columns);
  const { overflow, overflowed, needsColumns, needsWidening } = splitter;
  return {
    data,
    overflow: overflow ? overflowText(overflow) : null,
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
  readonly #path: string[] = [];
  #arrays = 0;
  #leavesOut = false;
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
      json += plain(name);
      json += text;
      if (this.#leavesOut && type === BsonType.array) this.#put(name.text, jsonOf(field, escaped));
    }
    return `{${json}}`;
  }
  #item(document: BsonValue, column: Column): string | undefined {
    const { fields, repeats } = fieldsOf(document);
    if (repeats.size > 0) return undefined;
    let json = "";
    let fits = true;
    for (const field of fields) {
      if (isNull(field.type)) {
        this.#leavesOut = true;
        continue;
      }
      const text = this.#field(field, column);
      if (text === undefined) fits = false;
      else if (text !== LEFT_OUT) {
        if (json !== "") json += ",";
        json += plain(field.name);
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
    const scalar = STRINGS[value.type];
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

function unchangedJson(value: BsonValue): string | undefined {
  const json = jsonOf(value);
  return mayNeedEscaping(json) && json !== jsonOf(value, escaped) ? undefined : json;
}
function ignoredJson(value: BsonValue): string | undefined {
  const document = asDocument(value);
  if (!document) return undefined;
  const json = jsonOf(document);
  if (!mayNeedEscaping(json)) return json;
  const isUnchanged = (field: Field) => isReadable(field.name.text) && unchangedJson(field) !== undefined;
  return fieldsOf(document).fields.every(isUnchanged) ? json : undefined;
}
const overflowText = (overflow: Overflow, spell = escapeTopName): string =>
  `{${
    [...overflow].map(([name, value]) =>
      `${JSON.stringify(spell(name))}:${typeof value === "string" ? value : overflowText(value, escapeName)}`
    ).join(",")
  }}`;
function hasLengthOf({ kind, length }: Column, json: string): boolean {
  if (length === undefined) return true;
  const characters = (JSON.parse(json) as string).length;
  return kind === "char" ? characters === length : characters <= length;
}
function splitForJsonb(document: BsonValue): { data: string; overflow: string | null } {
  const json = jsonOf(document);
  if (!SUSPECT.test(json)) return { data: json, overflow: null };
  const { data = "{}", overflow = null } = split(document);
  const needsEscaping = overflow !== null && mayNeedEscaping(overflow);
  return { data, overflow: needsEscaping ? jsonText(escapeNames(parseJson(overflow))) : overflow };
}
const NUL = /(?<!\\)(?:\\\\)*\\u0000/;
const SUSPECT = /\\u0000|-0\.0/;
function split(value: BsonValue): { data: string | undefined; overflow: string | undefined } {
  if (!isChanged(value)) return { data: jsonOf(value), overflow: undefined };
  const document = asDocument(value);
  const found = document && fieldsOf(document);
  if (!found || found.repeats.size > 0) return { data: undefined, overflow: jsonOf(value) };
  const data: string[] = [];
  const overflow: string[] = [];
  for (const field of found.fields) {
    const parts = split(field);
    if (parts.data !== undefined) data.push(plain(field.name) + parts.data);
    if (parts.overflow !== undefined) overflow.push(plain(field.name) + parts.overflow);
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
