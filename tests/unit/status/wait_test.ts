import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { waitedText } from "../../../lib/cli/run_status.ts";

const AT = new BSON.Timestamp({ t: 1_700_000_000, i: 3 });

Deno.test("waitedText() says what is shown, or what is not", () => {
  const texts = [
    { at: AT, shown: ["a"], behind: [] },
    { at: AT, shown: [], behind: ["b"] },
    { at: AT, shown: [], behind: [] },
  ].map((waited) => waitedText(waited, "1.2 s"));
  assert.deepEqual(texts, [
    ["a shows everything up to 1700000000:3, after 1.2 s"],
    ["b does not show everything up to 1700000000:3, after 1.2 s"],
    ["There is no such stream, after 1.2 s"],
  ]);
});
