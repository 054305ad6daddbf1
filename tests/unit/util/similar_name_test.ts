import assert from "node:assert/strict";
import { similarName } from "../../../lib/util/similar_name.ts";

const CASES: readonly (readonly [name: string, names: readonly string[], expected: string | undefined])[] = [
  ["ordrs", ["users", "orders", "order_lines"], "orders"],
  ["shpo", ["shop", "weather"], "shop"],
  ["Orders", ["orders"], "orders"],
  ["a", ["b", "ab"], "b"],
  ["tmp", ["orders", "users"], undefined],
  ["orders", [], undefined],
  ["x".repeat(10_000), ["y".repeat(10_000)], undefined],
];

for (const [name, names, expected] of CASES) {
  Deno.test(`similarName() of ${name.slice(0, 10)} among ${names.length} names is ${expected}`, () =>
    assert.equal(similarName(name, names), expected));
}
