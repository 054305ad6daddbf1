/** The bytes of a split are those of the text that a split by JavaScript strings makes. */
import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import { BsonType } from "../../lib/bson/bson.ts";
import type { Column } from "../../lib/mapping/column_tree.ts";
import { type Kind, MAX_TEXT_BYTES } from "../../lib/mapping/column_types.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";
import { jsonBytes } from "../../lib/util/json_writer.ts";
import { corpus, corpusFolder } from "../support/bson_corpus.ts";
import { anyColumns, documentOf, eitherDocument, type Raw, raw } from "../support/raw_bson.ts";
import { stringSplit } from "../support/string_split.ts";
import { runs } from "../support/nightly.ts";

const RUNS = runs(5_000);

/** What a split returns, its bytes as hexadecimal digits; the name of an error. */
function result(split: () => { readonly data: Uint8Array; readonly overflow: Uint8Array | null }): unknown {
  try {
    const { data, overflow, ...rest } = split();
    return { ...rest, data: data.toHex(), overflow: overflow && overflow.toHex() };
  } catch (error) {
    assert.ok(error instanceof Error);
    return { error: error.name };
  }
}

function assertSame(document: Uint8Array, columns: Column): void {
  assert.deepEqual(
    result(() => splitDocument(document, columns)),
    result(() => {
      const { data, overflow, ...rest } = stringSplit(document, columns);
      return { ...rest, data: jsonBytes(data), overflow: overflow === null ? null : jsonBytes(overflow) };
    }),
  );
}

const ROOTS: readonly Column[] = [
  { kind: "ignored" },
  { kind: "jsonb" },
  { kind: "any" },
  { kind: "object", children: new Map() },
];

Deno.test("splitDocument() of any document has the bytes of a split by strings", () => {
  const columns = fc.oneof({ weight: 2, arbitrary: anyColumns }, fc.constantFrom(...ROOTS));
  fc.assert(fc.property(eitherDocument, columns, assertSame), RUNS);
});

/** Names that a column, an ignored object or `overflow` refuses or changes, and others. */
const NAMES = [
  "a",
  "b",
  "1",
  "0",
  "12",
  "#1",
  "_u_x",
  "#_u_",
  "#u:x",
  "😀",
  "é",
  "",
  "a.b",
  'q"1',
  'q"_u_',
  "\\",
  "\u2028",
  "123456",
];
const TEXTS = [
  "",
  "a",
  'say "_u_"',
  '"12":',
  "_u_x",
  "#u:",
  "😀",
  "\0",
  "\\u0000",
  "\\\0",
  "-0.0",
  "\x1f\x7f",
  "\u2028",
  "\ufeffx",
]
  .concat("127.0.0.1", "::1", "::FFFF:1.2.3.4", "2001:db8::1")
  .concat(
    [-1, 0, 1].flatMap((more) => ["x", "é", '"', "😀"].map((each) => longText(each, MAX_TEXT_BYTES + more))),
  );

/** A text of about that many bytes. */
function longText(character: string, bytes: number): string {
  return character.repeat(Math.floor(bytes / new TextEncoder().encode(character).length)).padEnd(3, "x");
}

const edges = [0, 1, 15, 24, 31, 32, 53, 63].flatMap((bits) => [2n ** BigInt(bits) - 1n, 2n ** BigInt(bits)]);
const int64s = edges.flatMap((edge) => [edge, -edge]).map((edge) => BigInt.asIntN(64, edge));
const int32s = int64s.map((edge) => Number(BigInt.asIntN(32, edge)));
const doubles = [
  ...int64s.map(Number),
  -0,
  NaN,
  Infinity,
  -Infinity,
  0.5,
  20.25,
  1e21,
  5e-324,
  0.1,
  1 / 3,
  1e-7,
  123456.7,
];

/** A text of which some bytes are not UTF-8, such as halves of surrogate pairs. */
const broken = fc.tuple(
  fc.constantFrom([0x61, 0xff], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [
    0x80,
  ]),
  fc.constantFrom("", "é", "long ".repeat(20)),
).map(([bytes, text]): Raw => {
  const { bytes: whole } = raw.string(text + "~".repeat(bytes.length));
  return {
    type: BsonType.string,
    bytes: Uint8Array.from([...whole.subarray(0, -1 - bytes.length), ...bytes, 0]),
  };
});

const name = fc.constantFrom(...NAMES);
const scalar: fc.Arbitrary<Raw> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constantFrom(...TEXTS), fc.constantFrom(raw.string, raw.symbol, raw.code)).map((
      [text, as],
    ) => as(text)),
  },
  { weight: 3, arbitrary: fc.constantFrom(...doubles).map(raw.double) },
  { weight: 2, arbitrary: fc.constantFrom(...int64s).map(raw.int64) },
  { weight: 2, arbitrary: fc.constantFrom(...int32s).map(raw.int32) },
  fc.constantFrom(...int64s).map(raw.date),
  fc.constantFrom(
    raw.null(),
    raw.undefined(),
    raw.boolean(true),
    raw.minKey(),
    raw.maxKey(),
    raw.timestamp(1, 2),
  ),
  fc.constantFrom("1.50", "-0", "NaN", "1E+6144").map(raw.decimal),
  fc.constantFrom(0, 2, 3, 4).map((subtype) =>
    raw.binary(Uint8Array.of(12, 0, 0, 0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), subtype)
  ),
  fc.constant(raw.binary(new Uint8Array(MAX_TEXT_BYTES))),
  fc.constant(raw.dbPointer('c"\0', new Uint8Array(12))),
  fc.constant(raw.regex('^"\\d', "i")),
  { weight: 1, arbitrary: broken },
);
const { value } = fc.letrec<{ value: Raw; members: [string, Raw][] }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    scalar,
    tie("members").map(raw.document),
    fc.array(tie("value"), { maxLength: 3 }).map(raw.array),
    tie("members").map((scope) => raw.codeWithScope('"', documentOf(scope))),
  ),
  members: fc.array(fc.tuple(name, tie("value")), { maxLength: 4 }),
}));
const KINDS: readonly Kind[] = [
  "text",
  "longtext",
  "ip",
  "bigint",
  "inferred",
  "integer",
  "smallint",
  "double",
  "real",
];
const { column } = fc.letrec<{ column: Column }>((tie) => ({
  column: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.constantFrom(
      ...KINDS,
      "boolean" as const,
      "timestamp" as const,
      "ignored" as const,
      "any" as const,
      "unfit" as const,
    )
      .map((kind) => ({ kind })),
    fc.tuple(fc.constantFrom("varchar" as const, "char" as const), fc.constantFrom(0, 1, 2, 9))
      .map(([kind, length]) => ({ kind, length })),
    tie("column").map((element) => ({ kind: "array" as const, element })),
    fc.record({
      kind: fc.constant("object" as const),
      children: fc.array(fc.tuple(name, tie("column")), { maxLength: 6 }).map((children) =>
        new Map(children)
      ),
      closed: fc.boolean(),
      hasIds: fc.boolean(),
    }),
  ),
}));

Deno.test("splitDocument() of what is hard to write has the bytes of a split by strings", () => {
  const members = fc.array(fc.tuple(name, value), { maxLength: 6 });
  const children = fc.array(fc.tuple(name, column), { maxLength: 8 });
  const columns = fc.oneof(
    { weight: 2, arbitrary: children.map((each): Column => ({ kind: "object", children: new Map(each) })) },
    fc.constantFrom(...ROOTS),
  );
  fc.assert(
    fc.property(members, columns, (members, columns) => assertSame(documentOf(members), columns)),
    RUNS,
  );
});

Deno.test("splitDocument() of a name that repeats around more names than are cached has the bytes of a split by strings", () => {
  const many = raw.document(Array.from({ length: 20_000 }, (_, at) => [`evicts ${at}`, raw.null()]));
  for (const columns of ROOTS) {
    assertSame(documentOf([["a", raw.int32(1)], ["x", many], ["a", raw.int32(2)]]), columns);
    assertSame(
      documentOf([["b", raw.array([raw.document([["a", raw.int32(1)], ["x", many], ["a", raw.null()]])])]]),
      columns,
    );
  }
});

Deno.test("splitDocument() of names that are not UTF-8 throws as a split by strings does", () => {
  const inner = { type: BsonType.document, bytes: Uint8Array.of(8, 0, 0, 0, 10, 0xff, 0, 0) };
  for (const place of [inner, raw.array([inner]), raw.document([["b", inner]])]) {
    for (const columns of ROOTS) assertSame(documentOf([["a", place]]), columns);
  }
});

Deno.test("splitDocument() of what is nested deeply has the bytes of a split by strings", () => {
  const nested = (levels: number): Raw =>
    levels === 0
      ? raw.string("end")
      : levels % 5 === 0
      ? raw.array([nested(levels - 1), raw.null()])
      : raw.document([["a", nested(levels - 1)], ["b", raw.null()]]);
  for (const levels of [1, 39, 40, 41, 42, 100]) {
    for (const columns of ROOTS) assertSame(documentOf([["a", nested(levels)]]), columns);
  }
});

Deno.test({
  name: "splitDocument() of the BSON corpus has the bytes of a split by strings",
  ignore: corpusFolder === undefined,
  fn() {
    for (const document of corpus(corpusFolder ?? "").values()) {
      for (const columns of ROOTS) assertSame(document, columns);
    }
  },
});
