/** Inferring columns, splitting a document and writing JSON have one classification of fields. */
import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import { BsonType } from "../../lib/bson/bson.ts";
import { jsonOf } from "../../lib/mapping/bson_to_json.ts";
import { type Column, objectColumn } from "../../lib/mapping/column_tree.ts";
import { inferColumns } from "../../lib/mapping/field_counts.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";
import { anyDocument, eitherDocument } from "../support/raw_bson.ts";
import { splitText } from "../support/row_text.ts";
import { runs } from "../support/nightly.ts";

const RUNS = runs(2_000);

const inferred = (document: Uint8Array): Column => inferColumns([document]) ?? objectColumn();

type Json = Readonly<Record<string, unknown>>;
const jsonObject = (text: string): Json => JSON.parse(text);
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Paths of the values outside arrays, without arrays. */
const pathsIn = (object: Json, path: readonly string[] = []): string[] =>
  Object.entries(object).flatMap(([name, value]) => [
    ...Array.isArray(value) ? [] : [JSON.stringify([...path, name])],
    ...isObject(value) ? pathsIn(value, [...path, name]) : [],
  ]);

/** An integer that gets a column and may not fit, by JavaScript's numbers. */
const isEndOfRange = (value: unknown): boolean => typeof value === "number" && Math.abs(value) === 2 ** 63;

/** Paths of the columns outside arrays, without arrays: an item may keep an array out of its column. */
const columnPaths = (column: Column, path: readonly string[] = []): string[] =>
  [...column.children ?? []].flatMap(([name, child]) => [
    ...child.element ? [] : [JSON.stringify([...path, name])],
    ...columnPaths(child, [...path, name]),
  ]);

Deno.test("splitDocument() asks for columns exactly if inferColumns() has some", () => {
  fc.assert(
    fc.property(eitherDocument, (document) => {
      const { needsColumns } = splitDocument(document, objectColumn());
      assert.equal(needsColumns, inferred(document).children?.size !== 0);
    }),
    RUNS,
  );
});

/** Whether an array is inside another one. Their items may exclude each other, and then one of them gets no column. */
const hasInnerArrays = (value: unknown, isInside = false): boolean =>
  Array.isArray(value)
    ? isInside || value.some((each) => hasInnerArrays(each, true))
    : isObject(value) && Object.values(value).some((each) => hasInnerArrays(each, isInside));

Deno.test("splitDocument() asks for no columns beyond those of inferColumns()", () => {
  fc.assert(
    fc.property(eitherDocument, (document) => {
      fc.pre(!hasInnerArrays(jsonObject(whole(document))));
      assert.equal(splitDocument(document, inferred(document)).needsColumns, false);
    }),
    RUNS,
  );
});

Deno.test("splitDocument() puts into data what inferColumns() has columns for, and nothing else", () => {
  fc.assert(
    fc.property(anyDocument({ unique: true }), (document) => {
      const json = jsonObject(whole(document));
      const columns = inferred(document);
      const fits = (path: string) => !isEndOfRange(valueAt(json, path));
      const wanted = columnPaths(columns).filter(fits);
      for (const assumed of [columns, { kind: "any" } as const]) {
        const found = pathsIn(jsonObject(splitText(document, assumed).data));
        assert.deepEqual(new Set(found.filter(fits)), new Set(wanted));
      }
    }),
    RUNS,
  );
});

Deno.test("jsonOf() marks the names that repeat, and neither inferColumns() nor data has them", () => {
  fc.assert(
    fc.property(anyDocument({ unique: false }), (document) => {
      const columns = inferred(document);
      const data = jsonObject(splitText(document, columns).data);
      for (const [name, value] of Object.entries(jsonObject(whole(document)))) {
        if (!isObject(value) || !Object.hasOwn(value, "$duplicateKey")) continue;
        assert.equal(columns.children?.has(name), false);
        assert.equal(Object.hasOwn(data, name), false);
      }
    }),
    RUNS,
  );
});

const whole = (bytes: Uint8Array): string =>
  jsonOf({ type: BsonType.document, bytes, offset: 0, length: bytes.length });

const valueAt = (json: Json, path: string): unknown =>
  (JSON.parse(path) as string[]).reduce<unknown>((at, name) => isObject(at) ? at[name] : undefined, json);
