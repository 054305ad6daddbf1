import assert from "node:assert/strict";
import { streamsAmong } from "../../../lib/verify/verify_collection.ts";

const OWN = "shop.orders -> shop.orders";
const WIDER = "shop.* -> {database}.{collection}";
const parts = (stream: string) => [`${stream} (worker 0/2)`, `${stream} (worker 1/2)`];

/** The streams that write to the table, and those that are waited for. */
const CASES: readonly (readonly [what: string, writers: readonly string[], expected: readonly string[]])[] = [
  ["its own stream where none has written yet", [], [OWN]],
  ["its own stream", [WIDER, OWN], [OWN]],
  [
    "all parts of its own stream, also one that has written nothing",
    [`${OWN} (worker 1/2)`, WIDER],
    parts(OWN),
  ],
  ["a wider stream", [WIDER], [WIDER]],
  ["all parts of a wider stream", [`${WIDER} (worker 0/2)`], parts(WIDER)],
];

for (const [what, writers, expected] of CASES) {
  Deno.test(`streamsAmong() are ${what}`, () => assert.deepEqual(streamsAmong(writers, OWN), expected));
}
