import assert from "node:assert/strict";
import type { Option } from "../../../lib/config/option.ts";
import { parse } from "../../../lib/config/parsers.ts";

const parsed = (option: Pick<Option, "type"> & Partial<Option>, given: unknown) =>
  parse({ default: "", help: "", ...option }, given);

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
  Deno.test(`a duration ${text}`, () => assert.equal(parsed({ type: "duration" }, text), milliseconds));
}

for (const text of ["s", "-1s", "1 s", "1d", "Infinity"]) {
  Deno.test(`a duration refuses ${JSON.stringify(text)}`, () =>
    assert.throws(() => parsed({ type: "duration" }, text), RangeError));
}

const SIZES: readonly (readonly [string, number])[] = [["1", 1], ["500000", 500_000], ["16MiB", 2 ** 24], [
  "1gib",
  2 ** 30,
]];

for (const [text, bytes] of SIZES) {
  Deno.test(`a size ${text}`, () => assert.equal(parsed({ type: "size" }, text), bytes));
}

const ON_OFF = { type: "choice", choices: ["on", "off"] } as const;

/** Values of a program or a file, and what they mean. */
const TYPED: readonly (readonly [string, unknown, unknown])[] = [
  ["a duration", parsed({ type: "duration" }, 5_000), 5_000],
  ["an endless duration", parsed({ type: "duration" }, Infinity), Infinity],
  ["a duration within its limits", parsed({ type: "duration", within: ["1s", "24h"] }, "24h"), 86_400_000],
  ["a size", parsed({ type: "size" }, 2 ** 20), 2 ** 20],
  ["a count", parsed({ type: "count", least: 1 }, 7), 7],
  ["a list", parsed({ type: "names" }, ["a", "b_*"]), ["a", "b_*"]],
  ["a list as text", parsed({ type: "names" }, " a ,b"), ["a", "b"]],
  ["an object", parsed({ type: "filter" }, { n: { $gt: 1 } }), { n: { $gt: 1 } }],
  ["stages", parsed({ type: "pipeline" }, [{ $unset: "a" }]), [{ $unset: "a" }]],
  ["a choice", parsed(ON_OFF, "on"), "on"],
  ["an empty default", parsed({ type: "count" }, ""), undefined],
  ["an empty list", parsed({ type: "names" }, ""), []],
];

for (const [what, value, expected] of TYPED) {
  Deno.test(`parse() takes ${what}`, () => assert.deepEqual(value, expected));
}

const WRONG: readonly (readonly [string, () => unknown, RegExp])[] = [
  ["a number for a text", () => parsed({ type: "text" }, 1), /is not a text/],
  ["a fraction for a count", () => parsed({ type: "count" }, 1.5), /whole number of at least 0/],
  ["a count below the minimum", () => parsed({ type: "count", least: 1 }, 0), /whole number of at least 1/],
  ["a truth value for a count", () => parsed({ type: "count" }, true), /whole number/],
  ["a negative duration", () => parsed({ type: "duration" }, -1), /is not a duration/],
  ["an object for a duration", () => parsed({ type: "duration" }, {}), /is not a text/],
  [
    "a duration outside of its limits",
    () => parsed({ type: "duration", within: ["1s", "24h"] }, 999),
    /is not from 1s to 24h/,
  ],
  ["a size below the minimum", () => parsed({ type: "size", least: "16MiB" }, 1), /is less than 16MiB/],
  ["a list of numbers", () => parsed({ type: "paths" }, [1]), /is not a list of texts/],
  ["a list for an object", () => parsed({ type: "filter" }, []), /is not a query/],
  ["an object for stages", () => parsed({ type: "pipeline" }, { $unset: "a" }), /is not a list of stages/],
  ["another choice", () => parsed(ON_OFF, true), /is not one of on, off/],
];

for (const [what, wrong, message] of WRONG) {
  Deno.test(`parse() refuses ${what}`, () =>
    assert.throws(wrong, (error) => error instanceof RangeError && message.test(error.message)));
}
