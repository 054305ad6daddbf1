/** BSON by the byte, so that tests reach what a serializer would not write; and documents at random. */
import { fc } from "../deps.ts";
import { BSON } from "mongodb";
import { BsonType, type BsonValue } from "../../lib/bson/bson.ts";
import { joined } from "../../lib/bson/build.ts";
import type { Column } from "../../lib/mapping/column_tree.ts";

/**
 * The same bytes with an é of Latin-1, which is no UTF-8, in place of each tilde.
 *
 * @example
 * IN: the bytes of caf~ → OUT: 63 61 66 e9
 */
export const latin1 = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte === 0x7e ? 0xe9 : byte);

/** A value as its type and its bytes. */
export interface Raw {
  readonly type: number;
  readonly bytes: Uint8Array;
}

const filled = (length: number, fill: (view: DataView) => void): Uint8Array => {
  const bytes = new Uint8Array(length);
  fill(new DataView(bytes.buffer));
  return bytes;
};

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const cString = (text: string): Uint8Array => joined([utf8(text), Uint8Array.of(0)]);
const i32 = (value: number): Uint8Array => filled(4, (view) => view.setInt32(0, value, true));
const i64 = (value: bigint): Uint8Array => filled(8, (view) => view.setBigInt64(0, value, true));
const longString = (text: string): Uint8Array => joined([i32(utf8(text).length + 1), cString(text)]);

/** A document of these elements, in this order, equal names included. */
export function documentOf(entries: readonly (readonly [string, Raw])[]): Uint8Array {
  const body = entries.map(([name, { type, bytes }]) => joined([Uint8Array.of(type), cString(name), bytes]));
  return joined([i32(body.reduce((sum, { length }) => sum + length, 5)), ...body, Uint8Array.of(0)]);
}

export const raw = {
  double: (value: number) => ({
    type: BsonType.double,
    bytes: filled(8, (view) => view.setFloat64(0, value, true)),
  }),
  string: (text: string) => ({ type: BsonType.string, bytes: longString(text) }),
  symbol: (text: string) => ({ type: BsonType.symbol, bytes: longString(text) }),
  code: (text: string) => ({ type: BsonType.code, bytes: longString(text) }),
  document: (entries: readonly (readonly [string, Raw])[]) => ({
    type: BsonType.document,
    bytes: documentOf(entries),
  }),
  array: (items: readonly Raw[]) => ({
    type: BsonType.array,
    bytes: documentOf(items.map((item, index) => [String(index), item])),
  }),
  binary: (bytes: Uint8Array, subtype = 0) => ({
    type: BsonType.binary,
    bytes: joined([i32(bytes.length), Uint8Array.of(subtype), bytes]),
  }),
  undefined: () => ({ type: BsonType.undefined, bytes: new Uint8Array() }),
  objectId: (bytes: Uint8Array) => ({ type: BsonType.objectId, bytes }),
  boolean: (value: boolean) => ({ type: BsonType.boolean, bytes: Uint8Array.of(value ? 1 : 0) }),
  date: (milliseconds: bigint) => ({ type: BsonType.date, bytes: i64(milliseconds) }),
  null: () => ({ type: BsonType.null, bytes: new Uint8Array() }),
  regex: (pattern: string, options: string) => ({
    type: BsonType.regex,
    bytes: joined([cString(pattern), cString(options)]),
  }),
  dbPointer: (ref: string, id: Uint8Array) => ({
    type: BsonType.dbPointer,
    bytes: joined([longString(ref), id]),
  }),
  codeWithScope: (code: string, scope: Uint8Array) => ({
    type: BsonType.codeWithScope,
    bytes: joined([i32(4 + longString(code).length + scope.length), longString(code), scope]),
  }),
  int32: (value: number) => ({ type: BsonType.int32, bytes: i32(value) }),
  timestamp: (t: number, i: number) => ({
    type: BsonType.timestamp,
    bytes: filled(8, (view) => {
      view.setUint32(0, i, true);
      view.setUint32(4, t, true);
    }),
  }),
  int64: (value: bigint) => ({ type: BsonType.int64, bytes: i64(value) }),
  decimal: (text: string) => ({
    type: BsonType.decimal128,
    bytes: BSON.Decimal128.fromString(text).bytes,
  }),
  minKey: () => ({ type: BsonType.minKey, bytes: new Uint8Array() }),
  maxKey: () => ({ type: BsonType.maxKey, bytes: new Uint8Array() }),
} satisfies Record<string, (...args: never[]) => Raw>;

/** The value as in a reply: not at the start of its bytes. */
export function valueOf({ type, bytes }: Raw): BsonValue {
  const padding = Uint8Array.of(0xde, 0xad, 0xbe);
  return { type, bytes: joined([padding, bytes, padding]), offset: padding.length, length: bytes.length };
}

const text = fc.string({ unit: "binary", maxLength: 12 }).map((text) => text.toWellFormed());
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("a", "b", "c", "1", "0") },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", "a.b", "x[0]", "t\tb", "__proto__", "toString", "$ref", "é", "'"),
  },
  { weight: 1, arbitrary: text.map((text) => text.replaceAll("\0", "")) },
);
const bytes12 = fc.uint8Array({ minLength: 12, maxLength: 12 });
const i32s = fc.oneof(fc.constantFrom(0, 1, -(2 ** 31), 2 ** 31 - 1, 2 ** 15, 2 ** 24 + 1), fc.integer());
const i64s = fc.oneof(
  fc.constantFrom(0n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const doubles = fc.oneof(
  fc.constantFrom(0, -0, 1, 20.5, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 63, 1e21, 5e-324, 2 ** 31),
  fc.double(),
);

const scalar: fc.Arbitrary<Raw> = fc.oneof(
  doubles.map(raw.double),
  text.map(raw.string),
  fc.constant(raw.string("x".repeat(32_767))),
  text.map(raw.symbol),
  text.map(raw.code),
  fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(0, 1, 5, 128)).map(([bytes, subtype]) =>
    raw.binary(bytes, subtype)
  ),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => raw.binary(bytes, 4)),
  fc.constant(raw.undefined()),
  bytes12.map(raw.objectId),
  fc.boolean().map(raw.boolean),
  i64s.map(raw.date),
  fc.constant(raw.null()),
  fc.tuple(text, fc.constantFrom("", "im")).map(([pattern, options]) =>
    raw.regex(pattern.replaceAll("\0", ""), options)
  ),
  fc.tuple(text, bytes12).map(([ref, id]) => raw.dbPointer(ref, id)),
  i32s.map(raw.int32),
  fc.tuple(fc.nat(), fc.nat()).map(([t, i]) => raw.timestamp(t, i)),
  i64s.map(raw.int64),
  fc.constantFrom("1", "-0", "1.50", "NaN", "-Infinity", "9.999999999999999999999999999999999E+6144").map(
    raw.decimal,
  ),
  fc.constant(raw.minKey()),
  fc.constant(raw.maxKey()),
);

const members = <T>(value: fc.Arbitrary<T>, unique: boolean) => {
  const entry = fc.tuple(name, value);
  return unique
    ? fc.uniqueArray(entry, { selector: ([name]) => name, maxLength: 5 })
    : fc.array(entry, { maxLength: 4 });
};

export interface ValueOptions {
  /** Whether objects have no equal keys. */
  readonly unique: boolean;
  /** @default 4 */
  readonly maxDepth?: number;
}

/** Values of every type, nested. */
export const anyValue = ({ unique, maxDepth = 4 }: ValueOptions): fc.Arbitrary<Raw> =>
  fc.letrec<{ value: Raw }>((tie) => ({
    value: fc.oneof(
      { maxDepth, depthSize: "small" },
      scalar,
      members(tie("value"), unique).map(raw.document),
      fc.array(tie("value"), { maxLength: 4 }).map(raw.array),
      fc.tuple(text, members(tie("value"), unique)).map(([code, scope]) =>
        raw.codeWithScope(code, documentOf(scope))
      ),
    ),
  })).value;

export const anyDocument = (options: ValueOptions): fc.Arbitrary<Uint8Array> =>
  members(anyValue(options), options.unique).map(documentOf);

const leaf: fc.Arbitrary<Column> = fc.constantFrom(
  "text" as const,
  "longtext" as const,
  "bigint" as const,
  "inferred" as const,
  "integer" as const,
  "smallint" as const,
  "double" as const,
  "real" as const,
  "boolean" as const,
  "timestamp" as const,
  "ignored" as const,
  "unfit" as const,
).map((kind) => ({ kind }));

/** Documents with and without equal keys. */
export const eitherDocument: fc.Arbitrary<Uint8Array> = fc.oneof(
  anyDocument({ unique: true }),
  anyDocument({ unique: false }),
);

/** The columns of a table's `data`: a random tree. */
export const anyColumns: fc.Arbitrary<Column> = fc.letrec<{ root: Column; column: Column }>((tie) => ({
  root: fc.record({
    kind: fc.constant("object" as const),
    children: fc.array(fc.tuple(name, tie("column")), { maxLength: 6 }).map((children) => new Map(children)),
    closed: fc.boolean(),
  }),
  column: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    leaf,
    tie("root"),
    tie("column").map((element) => ({ kind: "array" as const, element })),
  ),
})).root;
