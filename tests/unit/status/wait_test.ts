import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { bytesToHex } from "../../../lib/bson/bson.ts";
import { waitedText } from "../../../lib/cli/run_status.ts";
import { isAt, type SavedPosition } from "../../../lib/status/wait.ts";

const AT = new BSON.Timestamp({ t: 1_700_000_000, i: 3 });

const hex = (count: number) => count.toString(16).toUpperCase().padStart(8, "0");
/** Tokens as MongoDB 6.0 gives them: after an event, and after all that there is. */
const event = (t: number, i: number) => `82${hex(t)}${hex(i)}2B022C0100296E5A1004AA46645F696400`;
const afterAll = (t: number, i: number) => `82${hex(t)}${hex(i)}2B0229296E04`;

const position = (token: string | null, rest: Partial<SavedPosition> = {}): SavedPosition => ({
  stream: "shop.* -> …",
  token: token === null ? null : bytesToHex(BSON.serialize({ _data: token })),
  hasSnapshot: true,
  isUpToDate: false,
  ...rest,
});

const { t } = AT;
const CASES: readonly (readonly [what: string, SavedPosition, boolean])[] = [
  ["a stream that was never followed", position(null), false],
  ["a position before it", position(afterAll(t, 2)), false],
  ["a position before it, with nothing waiting then", position(event(t, 2), { isUpToDate: true }), false],
  ["an event of that time, of a transaction perhaps", position(event(t, 3)), false],
  ["an event of that time, the last one", position(event(t, 3), { isUpToDate: true }), true],
  ["all of that time", position(afterAll(t, 3)), true],
  ["a later event", position(event(t, 4)), true],
  ["a later second", position(event(t + 1, 1)), true],
  ["a later second, with a snapshot under way", position(event(t + 1, 1), { hasSnapshot: false }), false],
];

for (const [what, saved, expected] of CASES) {
  Deno.test(`isAt() ${what}: ${expected}`, () => assert.equal(isAt(saved, AT), expected));
}

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
