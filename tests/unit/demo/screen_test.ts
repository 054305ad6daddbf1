import assert from "node:assert/strict";
import { wrapped } from "../../../dev/demo/screen.ts";

for (
  const [line, expected] of [
    ["  one two three", ["  one two", "    three"]],
    ["one two", ["one two"]],
    ["\x1b[1mone\x1b[22m two", ["\x1b[1mone\x1b[22m two"]],
    ["averyverylongword end", ["averyverylongword", "  end"]],
    ["", [""]],
  ] as const
) {
  Deno.test(`wrapped() ${JSON.stringify(line)}`, () => assert.deepEqual(wrapped(line, 12), expected));
}
