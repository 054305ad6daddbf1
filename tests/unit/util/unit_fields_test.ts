import assert from "node:assert/strict";
import { peopleField } from "../../../lib/util/unit_fields.ts";

const CASES: readonly (readonly [name: string, value: unknown, expected: readonly [string, unknown]])[] = [
  ["lag_ms", 41_037, ["lag", "41 s"]],
  ["duration_s", 0.25, ["duration", "250 ms"]],
  ["rate_per_s", 100, ["rate", "100/s"]],
  ["rows", 5, ["rows", 5]],
  ["items", 5, ["items", 5]],
  ["lag_ms", null, ["lag_ms", null]],
  ["left_ms", Infinity, ["left_ms", Infinity]],
  ["names_ms", "text", ["names_ms", "text"]],
];

for (const [name, value, expected] of CASES) {
  Deno.test(`peopleField() of ${name}=${value} is ${expected.join("=")}`, () =>
    assert.deepEqual(peopleField(name, value), expected));
}
