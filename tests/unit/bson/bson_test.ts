import assert from "node:assert/strict";
import { int64TextAt, utf8 } from "../../../lib/bson/bson.ts";
import { UnstorableError } from "../../../lib/util/errors.ts";
import { raw, valueOf } from "../../support/raw_bson.ts";

const around = (value: bigint): readonly bigint[] => [value - 1n, value, value + 1n];
const INTEGERS = [0n, 2n ** 31n, 2n ** 32n, 2n ** 52n, 2n ** 53n, 2n ** 54n, 2n ** 62n]
  .flatMap((value) => [...around(value), ...around(-value)])
  .concat(2n ** 63n - 1n, 2n - 2n ** 63n, 1n - 2n ** 63n, -(2n ** 63n));

for (const integer of INTEGERS) {
  Deno.test(`int64TextAt() of ${integer}`, () => {
    const { bytes, offset } = valueOf(raw.int64(integer));
    assert.equal(int64TextAt(bytes, offset), String(integer));
  });
}

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
