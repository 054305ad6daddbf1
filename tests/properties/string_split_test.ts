import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import type { Column } from "../../lib/mapping/column_tree.ts";
import { splitDocument } from "../../lib/mapping/split_document.ts";
import { jsonBytes } from "../../lib/util/json_writer.ts";
import { anyColumns, eitherDocument } from "../support/raw_bson.ts";
import { stringSplit } from "../support/string_split.ts";

/** What a split returns, its bytes as hexadecimal digits; or the error. */
function result(split: () => { data: Uint8Array; overflow: Uint8Array | null }): unknown {
  try {
    const { data, overflow, ...rest } = split();
    return { ...rest, data: data.toHex(), overflow: overflow && overflow.toHex() };
  } catch (error) {
    assert.ok(error instanceof Error);
    return { name: error.name };
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

const kinds = fc.oneof(
  anyColumns,
  fc.constantFrom<Column>({ kind: "ignored" }, { kind: "jsonb" }, { kind: "any" }, { kind: "object", children: new Map() }),
);

Deno.test("splitDocument() writes the bytes of the split by strings", () => {
  fc.assert(fc.property(eitherDocument, kinds, assertSame), { numRuns: 20_000 });
});
