import assert from "node:assert/strict";
import { deadLetterLimit, type WriteOutcome } from "../../../../lib/pipeline/collections/dead_letters.ts";

const outcome = (written: number, letters: number): WriteOutcome => ({
  written,
  letters: Array.from({ length: letters }, (_, at) => ({ oid: `k${at}`, reason: "too long" })),
});

/** The limit, written rows and dead letters of one write after the other, and which write is refused. */
const RUNS: readonly (readonly [number, readonly (readonly [number, number])[], number | undefined])[] = [
  [3, [[0, 3], [0, 0], [0, 1]], 2],
  [3, [[0, 3], [1, 0], [0, 3], [5, 0]], undefined],
  [3, [[0, 2], [1, 9], [0, 3]], undefined],
  [3, [[0, 4]], 0],
  [3, [[7, 0], [0, 2], [0, 2]], 2],
  [0, [[5, 0], [0, 0], [5, 1]], 2],
  [0, [[0, 1]], 0],
];

for (const [limit, writes, expected] of RUNS) {
  Deno.test(`deadLetterLimit(${limit}) after ${JSON.stringify(writes)}`, () => {
    const deadLetters = deadLetterLimit(limit);
    const refused = writes.findIndex(([written, letters]) => {
      try {
        deadLetters.check(outcome(written, letters));
      } catch {
        return true;
      }
      deadLetters.count(outcome(written, letters));
      return false;
    });
    assert.equal(refused === -1 ? undefined : refused, expected);
  });
}

Deno.test("deadLetterLimit() names the number, the last document and its error", () => {
  assert.throws(() => deadLetterLimit(1).check(outcome(0, 2)), {
    name: "UserError",
    message: /More than 1 documents in succession .* k1: too long$/,
    hint: /^Nothing is lost: the table has at most older rows of these documents, /,
  });
});
