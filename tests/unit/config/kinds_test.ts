import assert from "node:assert/strict";
import {
  count,
  DURATION,
  json,
  list,
  NAMES,
  oneOf,
  optional,
  SIZE,
  text,
} from "../../../lib/config/kinds.ts";
import { parseFilter } from "../../../lib/source/documents/transform.ts";

const DURATIONS: readonly (readonly [string, number])[] = [
  ["250ms", 250],
  ["250", 250],
  ["0", 0],
  ["1.5s", 1_500],
  ["2m", 120_000],
  ["1h", 3_600_000],
  ["forever", Infinity],
];

for (const [text, milliseconds] of DURATIONS) {
  Deno.test(`DURATION ${text}`, () => assert.equal(DURATION.parse(text), milliseconds));
}

for (const text of ["", "s", "-1s", "1 s", "1d", "Infinity"]) {
  Deno.test(`DURATION refuses ${JSON.stringify(text)}`, () =>
    assert.throws(() => DURATION.parse(text), RangeError));
}

const SIZES: readonly (readonly [string, number])[] = [["1", 1], ["500000", 500_000], ["16MiB", 2 ** 24], [
  "1gib",
  2 ** 30,
]];

for (const [text, bytes] of SIZES) {
  Deno.test(`SIZE ${text}`, () => assert.equal(SIZE.parse(text), bytes));
}

/** Values of a program or a file, and what they mean. */
const TYPED: readonly (readonly [string, unknown, unknown])[] = [
  ["a duration", DURATION.parse(5_000), 5_000],
  ["an endless duration", DURATION.parse(Infinity), Infinity],
  ["a size", SIZE.parse(2 ** 20), 2 ** 20],
  ["a count", count(1).parse(7), 7],
  ["a list", NAMES.parse(["a", "b_*"]), ["a", "b_*"]],
  ["a list as text", NAMES.parse(" a ,b"), ["a", "b"]],
  ["an object", json(parseFilter).parse({ n: { $gt: 1 } }), { n: { $gt: 1 } }],
  ["a choice", oneOf("on", "off").parse("on"), "on"],
  ["nothing", optional(count(1)).parse(""), undefined],
];

for (const [what, parsed, expected] of TYPED) {
  Deno.test(`kinds take typed values: ${what}`, () => assert.deepEqual(parsed, expected));
}

const WRONG: readonly (readonly [string, () => unknown, RegExp])[] = [
  ["a number for a text", () => text("NAME").parse(1), /is not a text/],
  ["an empty text", () => text("NAME").parse(""), /is empty/],
  ["a fraction for a count", () => count(1).parse(1.5), /whole number of at least 1/],
  ["a truth value for a count", () => count(0).parse(true), /whole number/],
  ["a negative duration", () => DURATION.parse(-1), /is not a duration/],
  ["an object for a duration", () => DURATION.parse({}), /is not a text/],
  ["a list of numbers", () => list("N,…", (value) => [value]).parse([1]), /is not a list of texts/],
  ["a list for an object", () => json(parseFilter).parse([]), /is not a query/],
  ["another choice", () => oneOf("on", "off").parse(true), /is not one of on, off/],
];

for (const [what, parse, message] of WRONG) {
  Deno.test(`kinds refuse ${what}`, () =>
    assert.throws(parse, (error) => error instanceof RangeError && message.test(error.message)));
}
