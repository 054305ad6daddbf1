import assert from "node:assert/strict";
import { durationText } from "../../../lib/util/duration_text.ts";

const TEXTS: Readonly<Record<string, number>> = {
  "0 ms": 0,
  "205 ms": 205,
  "2.4 s": 2_350,
  "90 s": 90_000,
  "90 min": 5_400_000,
  "47 h": 169_200_000,
  "3 d": 259_200_000,
  "-4 min": -240_000,
};

for (const [text, milliseconds] of Object.entries(TEXTS)) {
  Deno.test(`durationText() of ${milliseconds} is ${text}`, () =>
    assert.equal(durationText(milliseconds), text));
}
