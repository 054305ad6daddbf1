import assert from "node:assert/strict";
import { nameAmong } from "../../../../lib/sink/metadata/saved_position.ts";

const [SORTED, OLD, OTHER] = ["a.{b,c} -> doc.t", "a.{c,b} -> doc.t", "a.{c,d} -> doc.t"];

/** What is saved, the newest first; what the relay asks for; what it goes on with. */
const CASES = [
  [[], SORTED, SORTED],
  [[OTHER], SORTED, SORTED],
  [[OTHER, OLD], SORTED, OLD],
  [[OLD, SORTED], SORTED, SORTED],
  [[OLD], `${SORTED} (worker 0/2)`, `${SORTED} (worker 0/2)`],
  [[`${OLD} (worker 1/2)`], `${SORTED} (worker 0/2)`, `${OLD} (worker 0/2)`],
] as const;

for (const [saved, asked, expected] of CASES) {
  Deno.test(`nameAmong() of ${asked}, with ${saved.join(" and ") || "nothing"} saved`, () =>
    assert.equal(nameAmong(saved, asked), expected));
}
