import assert from "node:assert/strict";
import { isSameDecimal, numericText } from "../../../lib/mapping/decimal.ts";

const NUMERIC = { precision: 20, scale: 4 };

/** Texts of numbers, and what NUMERIC(20, 4) stores of them; undefined if it would change them. */
const TEXTS: Readonly<Record<string, string | undefined>> = {
  ...{ "0": "0", "0.000": "0", "0E+6111": "0", "-0": undefined, "-0.0": undefined },
  ...{ "1.10": "1.1", "-1.1000": "-1.1", "100": "100", "1E+3": "1000", "1.1e+3": "1100", "007": "7" },
  ...{
    "0.0001": "0.0001",
    "1e-4": "0.0001",
    "0.00010": "0.0001",
    "0.00001": undefined,
    "1.23456": undefined,
  },
  ...{ "9999999999999999.9999": "9999999999999999.9999", "10000000000000000": undefined, "1e+16": undefined },
  ...{ "1E+6144": undefined, "1E-6176": undefined },
  ...{
    NaN: undefined,
    Infinity: undefined,
    "": undefined,
    "-": undefined,
    "1.": undefined,
    "0x1": undefined,
  },
};

for (const [text, stored] of Object.entries(TEXTS)) {
  Deno.test(`numericText() of ${JSON.stringify(text)}: ${stored}`, () => {
    assert.equal(numericText(text, NUMERIC), stored);
  });
}

Deno.test("numericText() uses all digits for the fraction, or none", () => {
  assert.deepEqual(["0.12", "1.1", "0.123"].map((each) => numericText(each, { precision: 2, scale: 2 })), [
    "0.12",
    undefined,
    undefined,
  ]);
  assert.deepEqual(["99", "100", "0.1"].map((each) => numericText(each, { precision: 2, scale: 0 })), [
    "99",
    undefined,
    undefined,
  ]);
});

Deno.test("isSameDecimal() compares numbers by all digits", () => {
  const same = [["1.10", "1.1000"], ["1E+3", "1000.0000"], ["0", "0.0000"], ["-0.5", "-5e-1"]] as const;
  for (const [one, other] of same) assert.ok(isSameDecimal(one, other), `${one} ${other}`);
  const different = [["1.1", "1.10000000000000000001"], ["1", "-1"], ["1", "10"], ["NaN", "NaN"], [
    "0",
    "-0",
  ]] as const;
  for (const [one, other] of different) assert.ok(!isSameDecimal(one, other), `${one} ${other}`);
});
