import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { type BsonValue, fieldsByName } from "../../../../lib/bson/bson.ts";
import { keyText } from "../../../../lib/key/key_text.ts";
import { rangesOf } from "../../../../lib/source/documents/key_ranges.ts";
import { latin1 } from "../../../support/raw_bson.ts";

/** The key in a document; no query can name one with a tilde, which stands for a byte that is no UTF-8. */
function idOf(document: Uint8Array): BsonValue {
  const id = fieldsByName(document).get("_id");
  assert.ok(id);
  return id;
}

const keyOf = (_id: unknown): BsonValue => idOf(latin1(BSON.serialize({ _id })));

const LONG = "x".repeat(2_000);

const CASES: Readonly<
  Record<string, readonly [sample: readonly unknown[], count: number, bounds: string[]]>
> = {
  "in equal parts": [[1, 2, 3, 4, 5, 6], 3, ["2", "4"]],
  "in about equal parts": [[1, 2, 3, 4, 5], 2, ["2"]],
  "of several types": [[1, "a", "b", new BSON.ObjectId("669683c2b0750b2c84893f3e")], 4, ["1", "a", "b"]],
  "at fewer keys than ranges": [[1, 2], 4, ["1"]],
  "at equal keys once": [[1, 1, 1, 1, 2, 2, 2, 2], 4, ["1", "2"]],
  "at equal keys of two types once": [[new BSON.Int32(1), new BSON.Double(1), 2, 3], 4, ["1", "2"]],
  "not at keys that no query can name": [["a", "~", "~~", "b", "c"], 3, ["a", "b"]],
  "not at long keys": [["a", LONG, "y", "z"], 3, ["a", "y"]],
  "not without a sample": [[], 4, []],
  "not where one is asked for": [[1, 2, 3], 1, []],
};

for (const [what, [sample, count, expected]] of Object.entries(CASES)) {
  Deno.test(`rangesOf() divides ${what}`, () => {
    const ranges = rangesOf(sample.map(keyOf), count);
    const texts = ranges.map(({ after, upTo }) =>
      [after, upTo].map((key) => key === null ? null : keyText(idOf(key)))
    );
    assert.deepEqual(texts, [...expected, null].map((upTo, at) => [expected[at - 1] ?? null, upTo]));
  });
}
