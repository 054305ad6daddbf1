/** A row under designed types equals its document, whatever the document has there. */
import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import type { Column } from "../../lib/mapping/column_tree.ts";
import { parseTypes } from "../../lib/mapping/designed_types.ts";
import { Digits, type Json, jsonText, parseJson } from "../../lib/util/lossless_json.ts";
import { isEqual } from "../../lib/verify/compare.ts";
import { corpus, corpusFolder } from "../support/bson_corpus.ts";
import { documentOf, eitherDocument, raw } from "../support/raw_bson.ts";
import { splitText } from "../support/row_text.ts";
import { documentValue } from "../../lib/bson/bson.ts";
import { fieldsOf } from "../../lib/bson/fields.ts";

const PATHS = ["n", "u", "t", "ns", "us", "items"];
const { data: COLUMNS } = parseTypes({
  "n": "numeric(20,4)",
  "u": "uuid",
  "t": { text: { index: "off" } },
  "ns[]": "numeric(38,10)",
  "us[]": "uuid",
  "items[].n": "numeric(20,4)",
});

/** What CrateDB returns for what was written: numbers with all places of their column. */
function returned(value: Json, column: Column | undefined): Json {
  if (column?.numeric && typeof value === "string") {
    const [whole, fraction = ""] = value.split(".");
    return new Digits(`${whole}.${fraction.padEnd(column.numeric.scale, "0")}`);
  }
  if (Array.isArray(value)) return value.map((each) => returned(each, column?.element));
  if (!(value instanceof Map)) return value;
  return new Map([...value].map(([name, each]) => [name, returned(each, column?.children?.get(name))]));
}

function assertWhole(document: Uint8Array): void {
  assert.ok(COLUMNS);
  const { data, overflow } = splitText(document, COLUMNS);
  const row = { data: jsonText(returned(parseJson(data), COLUMNS)), overflow };
  assert.ok(isEqual(document, row), `${row.data} ${overflow}`);
}

/** The values of a document's fields, each at each path. */
const spread = (document: Uint8Array): Uint8Array[] =>
  fieldsOf(documentValue(document)).fields.flatMap(({ type, bytes, offset, length }) => {
    const value = { type, bytes: bytes.slice(offset, offset + length) };
    const item = raw.document([["n", value]]);
    return [
      ...PATHS.map((path) => documentOf([[path, value]])),
      documentOf([["ns", raw.array([value, value])], ["us", raw.array([value])], [
        "items",
        raw.array([item]),
      ]]),
    ];
  });

Deno.test("documents are whole under designed types", () => {
  fc.assert(fc.property(eitherDocument, (document) => spread(document).forEach(assertWhole)), {
    numRuns: 500,
  });
});

const decimal = fc.tuple(
  fc.bigInt({ min: -(10n ** 34n) + 1n, max: 10n ** 34n - 1n }),
  fc.integer({ min: -40, max: 30 }),
);

Deno.test("decimals are whole under designed types", () => {
  fc.assert(
    fc.property(
      decimal,
      ([digits, exponent]) =>
        spread(documentOf([["d", raw.decimal(`${digits}E${exponent}`)]])).forEach(assertWhole),
    ),
    { numRuns: 500 },
  );
});

if (corpusFolder) {
  const documents = corpus(corpusFolder);
  Deno.test(`the ${documents.size} documents of the BSON corpus are whole under designed types`, () => {
    for (const document of documents.values()) {
      for (const { bytes, offset, length } of fieldsOf(documentValue(document)).fields.slice(1)) {
        spread(bytes.slice(offset, offset + length)).forEach(assertWhole);
      }
    }
  });
}
