import assert from "node:assert/strict";
import type { Passing } from "../../../lib/verify/result.ts";
import { count } from "../../../lib/verify/count.ts";

/** Counts of documents, one after the other; the last one stays. */
const counting = (documents: number[], rows: number, relay: Passing = "passed") =>
  count({
    documents: () => Promise.resolve(documents.length > 1 ? documents.shift() ?? 0 : documents[0] ?? 0),
    rows: () => Promise.resolve(rows),
    deadLetters: () => Promise.resolve(1),
    pass: () => Promise.resolve(relay),
    generations: 3,
  });

Deno.test("count() judges the rows where no document came or went meanwhile", async () => {
  assert.deepEqual(await counting([5, 6, 7, 7], 6), {
    documents: 7,
    rows: 6,
    deadLetters: 1,
    relay: "passed",
    isChanging: false,
  });
});

Deno.test("count() gives up where documents come and go each time", async () => {
  const { isChanging } = await counting([1, 2, 3, 4, 5, 6, 7], 6);
  assert.equal(isChanging, true);
});

Deno.test("count() takes counts as they are where no relay runs", async () => {
  const { documents, isChanging } = await counting([1, 2, 3], 6, "not running");
  assert.deepEqual([documents, isChanging], [1, false]);
});
