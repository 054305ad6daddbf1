import assert from "node:assert/strict";
import { BSON } from "mongodb";

import {
  type CollectionResult,
  jsonReport,
  outcomeOf,
  textReport,
  worstOutcome,
} from "../../../lib/verify/result.ts";

const resultOf = (found: Partial<CollectionResult> = {}): CollectionResult => {
  const result = {
    stream: "shop.orders -> doc.orders",
    collection: "shop.orders",
    table: "doc.orders",
    mode: "full" as const,
    startedAt: 0,
    finishedAt: 2_000,
    clusterTime: new BSON.Timestamp({ t: 1_795_752_260, i: 3 }),
    relay: undefined,
    documents: 30_000,
    rows: 30_000,
    missing: 0,
    extra: 0,
    different: 0,
    overflowed: 0,
    deadLetters: 0,
    changing: 0,
    repaired: 0,
    differences: [],
    ...found,
  };
  return { ...result, outcome: outcomeOf(result) };
};

const REPORTS: readonly (readonly [Partial<CollectionResult>, string])[] = [
  [{}, "equal up to 2026-11-27T04:04:20.000Z (3) | 30,000 documents, 30,000 rows, 2.0 s, 15,000/s"],
  [
    { mode: "sample" },
    "equal in the sample up to 2026-11-27T04:04:20.000Z (3) | 30,000 documents, 30,000 rows, 2.0 s, 15,000/s",
  ],
  [
    { mode: "count" },
    "equal counts up to 2026-11-27T04:04:20.000Z (3) | 30,000 documents, 30,000 rows, 2.0 s",
  ],
  [
    { overflowed: 1, deadLetters: 2 },
    "equal up to 2026-11-27T04:04:20.000Z (3) | 30,000 documents, 30,000 rows, 1 row with overflow, 2 dead letters, 2.0 s, 15,000/s",
  ],
  [
    { missing: 1, extra: 2, different: 3, relay: "passed" },
    "1 missing, 2 extra, 3 different | 30,000 documents, 30,000 rows, 2.0 s, 15,000/s",
  ],
  [
    { missing: 1, relay: "not running" },
    "1 missing (no relay runs: differences count as found) | 30,000 documents, 30,000 rows, 2.0 s, 15,000/s",
  ],
  [
    { changing: 2, relay: "passed" },
    "2 still changing, otherwise equal up to 2026-11-27T04:04:20.000Z (3) | 30,000 documents, 30,000 rows, 2.0 s, 15,000/s",
  ],
  [
    { changing: 2, relay: "paused" },
    "2 not settled, otherwise equal up to 2026-11-27T04:04:20.000Z (3) (the stream is paused, and rows may be " +
    "behind their documents: resume it, and run verify again) | 30,000 documents, 30,000 rows, 2.0 s, 15,000/s",
  ],
  [
    { repaired: 4, relay: "passed" },
    "4 repaired, equal now up to 2026-11-27T04:04:20.000Z (3) | 30,000 documents, 30,000 rows, 2.0 s, 15,000/s",
  ],
];

for (const [found, text] of REPORTS) {
  Deno.test(`textReport() is ${text.split(" | ")[0]}`, () => {
    assert.equal(textReport([resultOf(found)]), `shop.orders -> doc.orders: ${text}`);
  });
}

Deno.test("textReport() escapes names that would steer a terminal", () => {
  const text = textReport([resultOf({ collection: "shop.\x1b[31mred", table: "doc.\x1b[31mred" })]);
  assert.match(text, /^shop\.\\u001b\[31mred -> doc\.\\u001b\[31mred: equal/);
});

Deno.test("textReport() names the first keys that differ, and how", () => {
  const differences = [
    { oid: "1", kind: "different" as const, paths: [{ path: "a.b", document: "20.5", row: undefined }] },
    ...Array.from({ length: 14 }, (_, at) => ({ oid: `m${at}`, kind: "missing" as const, paths: [] })),
  ];
  const lines = textReport([resultOf({ different: 1, missing: 50, relay: "passed", differences })]).split(
    "\n",
  );
  assert.deepEqual(lines.slice(1, 4), [
    "  different    1",
    "    a.b: document 20.5, row has none",
    "  missing      m0",
  ]);
  assert.deepEqual(lines.slice(-1), ["  and 41 more"]);
});

Deno.test("textReport() ends with what to do if the table is at fault", () => {
  const hint = "To move them: rebuild shop.orders";
  const differences = [{ oid: "1", kind: "different" as const, paths: [] }];
  const lines = textReport([resultOf({ different: 2, differences, hint })]).split("\n");
  assert.deepEqual(lines.slice(-2), ["  and 1 more", `  ${hint}`]);
});

Deno.test("textReport() escapes control characters of keys, names and values", () => {
  const paths = [{ path: "\x1b[2Ja", document: '"\x9b1m"', row: undefined }];
  const differences = [{ oid: "x\n  missing      y", kind: "different" as const, paths }];
  assert.deepEqual(
    textReport([resultOf({ different: 1, relay: "passed", differences })]).split("\n").slice(1),
    [
      String.raw`  different    x\u000a  missing      y`,
      String.raw`    \u001b[2Ja: document "\u009b1m", row has none`,
    ],
  );
});

Deno.test("jsonReport() is one line of JSON with all that was found", () => {
  const text = jsonReport([resultOf(), resultOf({ missing: 1 })]);
  assert.ok(!text.includes("\n"));
  const { outcome, collections: [first, second] } = JSON.parse(text);
  assert.equal(outcome, "different");
  assert.deepEqual([first.outcome, second.outcome, second.missing], ["equal", "different", 1]);
  assert.deepEqual(first, {
    stream: "shop.orders -> doc.orders",
    collection: "shop.orders",
    table: "doc.orders",
    mode: "full",
    outcome: "equal",
    started_at: "1970-01-01T00:00:00.000Z",
    finished_at: "1970-01-01T00:00:02.000Z",
    duration_ms: 2_000,
    cluster_time: "2026-11-27T04:04:20.000Z",
    operation_time: "1795752260:3",
    documents: 30_000,
    rows: 30_000,
    missing: 0,
    extra: 0,
    different: 0,
    overflowed: 0,
    dead_letters: 0,
    changing: 0,
    repaired: 0,
    relay: null,
    hint: null,
    differences: [],
  });
});

Deno.test("worstOutcome() is the one that matters most", () => {
  const of = (...outcomes: CollectionResult["outcome"][]) =>
    worstOutcome(outcomes.map((outcome) => ({ outcome })));
  assert.deepEqual([
    of(),
    of("equal"),
    of("equal", "repaired"),
    of("changing", "repaired"),
    of("equal", "different", "changing"),
  ], [
    "nothing",
    "equal",
    "repaired",
    "changing",
    "different",
  ]);
});

Deno.test("a report of no collection does not claim equality", () => {
  assert.equal(textReport([]), "Nothing was compared: no collection matches");
  assert.deepEqual(JSON.parse(jsonReport([])), { outcome: "nothing", collections: [] });
});
