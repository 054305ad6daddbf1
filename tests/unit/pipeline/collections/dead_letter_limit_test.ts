import assert from "node:assert/strict";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { deadLetterLimit, type WriteOutcome } from "../../../../lib/pipeline/collections/dead_letters.ts";

const outcome = (written: number, letters: number): WriteOutcome => ({
  written,
  letters: Array.from({ length: letters }, (_, at) => ({ oid: `k${at}`, reason: "too long" })),
});

const saved = () => Promise.resolve();

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
  Deno.test(`deadLetterLimit(${limit}) after ${JSON.stringify(writes)}`, async () => {
    const deadLetters = deadLetterLimit(limit);
    for (const [at, [written, letters]] of writes.entries()) {
      const checked = deadLetters.check(outcome(written, letters), saved);
      if (at === expected) return await assert.rejects(checked, { name: "UserError" });
      await checked;
      deadLetters.count(outcome(written, letters));
    }
    assert.equal(expected, undefined);
  });
}

Deno.test("deadLetterLimit() names the number, the last document and its error", async () => {
  await assert.rejects(deadLetterLimit(1).check(outcome(0, 2), saved), {
    name: "UserError",
    message: /More than 1 documents in succession .* k1: too long$/,
    hint: /^Nothing is lost: the table has at most older rows of these documents, /,
  });
});

for (
  const [error, why] of [
    [new SinkError("Missing 'DML' privilege", { code: "4011" }), "Missing 'DML' privilege"],
    [new SinkError("Failed CONSTRAINT small: [4711]", { code: "4000" }), "the server refuses it (code 4000)"],
  ] as const
) {
  Deno.test(`deadLetterLimit() reports the limit if the last dead letter cannot be saved: ${error.kind}`, async () => {
    await assert.rejects(deadLetterLimit(1).check(outcome(0, 2), () => Promise.reject(error)), {
      name: "UserError",
      message: new RegExp(`k1: too long\\. Its dead letter cannot be saved: ${RegExp.escape(why)}$`),
      cause: error,
    });
  });
}

Deno.test("deadLetterLimit() leaves an error that ends the relay as it is", async () => {
  const stop = new DOMException("stopped", "AbortError");
  await assert.rejects(deadLetterLimit(1).check(outcome(0, 2), () => Promise.reject(stop)), stop);
});
