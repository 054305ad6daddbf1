import assert from "node:assert/strict";
import { fc } from "../../deps.ts";
import { BSON } from "mongodb";
import { ElementCursor, int32At } from "../../../lib/bson/bson.ts";
import { anyDocument, documentOf, raw, valueOf } from "../../support/raw_bson.ts";

/** The elements of a document, in the form of the BSON library. */
function elements(bytes: Uint8Array, start = 0) {
  const element = new ElementCursor(bytes, start);
  const found: number[][] = [];
  while (element.next()) {
    found.push([element.type, element.nameOffset, element.nameLength, element.offset, element.length]);
  }
  return found;
}

/** What the BSON library's own parser finds. */
const expected = (bytes: Uint8Array, start = 0) => Array.from(BSON.onDemand.parseToElements(bytes, start));

Deno.test("ElementCursor finds what the BSON library finds, in documents of all types", () => {
  fc.assert(fc.property(anyDocument({ unique: false }), (document) => {
    assert.deepEqual(elements(document), expected(document));
  }));
});

Deno.test("ElementCursor reads a document at an offset", () => {
  const { bytes, offset } = valueOf(raw.document([["a", raw.int32(1)], ["", raw.regex("x", "i")]]));
  assert.deepEqual(elements(bytes, offset), expected(bytes, offset));
});

Deno.test("ElementCursor.next() stays false at the end", () => {
  const element = new ElementCursor(documentOf([["a", raw.null()]]));
  assert.deepEqual([element.next(), element.next(), element.next()], [true, false, false]);
});

/** Bytes that are no BSON. */
const MALFORMED: Readonly<Record<string, readonly number[]>> = {
  "nothing": [],
  "too few bytes": [4, 0, 0, 0],
  "a size below the least": [4, 0, 0, 0, 0],
  "a negative size": [5, 0, 0, 0x80, 0],
  "a size beyond the bytes": [6, 0, 0, 0, 0],
  "no terminator": [5, 0, 0, 0, 1],
  "a terminator too soon": [7, 0, 0, 0, 0, 0, 0],
  "a name without an end": [8, 0, 0, 0, 0x0a, 0x61, 0x62, 0],
  "an unknown type": [8, 0, 0, 0, 0x20, 0x61, 0, 0],
  "a value cut off": [10, 0, 0, 0, 0x10, 0x61, 0, 1, 2, 0],
  "a string of negative length": [13, 0, 0, 0, 0x02, 0x61, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
  "a string longer than the document": [13, 0, 0, 0, 0x02, 0x61, 0, 2, 0, 0, 0, 0, 0],
  "a document longer than the one around it": [13, 0, 0, 0, 0x03, 0x61, 0, 6, 0, 0, 0, 0, 0],
  "binary data longer than the document": [13, 0, 0, 0, 0x05, 0x61, 0, 1, 0, 0, 0, 0, 0],
  "a regex with one text": [10, 0, 0, 0, 0x0b, 0x61, 0, 0x62, 0, 0],
  "a regex without an end": [10, 0, 0, 0, 0x0b, 0x61, 0, 0x62, 0x63, 0],
};

for (const [what, bytes] of Object.entries(MALFORMED)) {
  for (const after of [[], [1, 2, 3, 0, 0, 0, 0]]) {
    if (after.length > 0 && ["nothing", "too few bytes", "a size beyond the bytes"].includes(what)) continue;
    Deno.test(`ElementCursor refuses ${what}${after.length > 0 ? ", other bytes after it" : ""}`, () => {
      assert.throws(() => elements(Uint8Array.from([9, ...bytes, ...after]), 1), { name: "UnstorableError" });
    });
  }
}

/** The library takes a document of one to four bytes for an empty one. */
const isTooSmall = (bytes: Uint8Array): boolean => int32At(bytes, 0) < 5;

Deno.test("ElementCursor finds or refuses what the BSON library does, whatever byte is another one", () => {
  const cases = fc.tuple(anyDocument({ unique: false }), fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(cases, ([document, at, byte]) => {
      const changed = document.with(at % document.length, byte);
      let found: unknown;
      try {
        found = expected(changed);
      } catch {
        // It is not BSON.
      }
      if (found && !isTooSmall(changed)) assert.deepEqual(elements(changed), found);
      else assert.throws(() => elements(changed), { name: "UnstorableError" });
    }),
    { numRuns: 2_000 },
  );
});
