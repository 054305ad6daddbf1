import assert from "node:assert/strict";
import { utf8 } from "../../../lib/bson/bson.ts";
import { UnstorableError } from "../../../lib/util/errors.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Short texts and long ones are decoded in different ways. */
for (const text of ["", "a", "é", "\ufffd", "😀".repeat(20), `${"x".repeat(40)}\ufffd`, "\ufeffx"]) {
  Deno.test(`utf8() of ${JSON.stringify(text)}`, () => {
    assert.equal(utf8(bytesOf(`[${text}]`), 1, 1 + bytesOf(text).length), text);
  });
}

for (const [what, start] of [["short", ""], ["long", "x".repeat(40)], ["replaced", "\ufffd"]] as const) {
  Deno.test(`utf8() throws for bytes that are no UTF-8: ${what}`, () => {
    const bytes = Uint8Array.from([...bytesOf(start), 0xe9]);
    assert.throws(() => utf8(bytes, 0, bytes.length), UnstorableError);
  });
}
