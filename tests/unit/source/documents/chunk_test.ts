import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { fieldsByName } from "../../../../lib/bson/bson.ts";
import { keyText } from "../../../../lib/key/key_text.ts";
import { chunkOf } from "../../../../lib/source/documents/chunk.ts";
import { latin1 } from "../../../support/raw_bson.ts";

/** A document with this key; no query can name one with a tilde, which stands for a byte that is no UTF-8. */
function keyed(_id: string) {
  const document = latin1(BSON.serialize({ _id }));
  const id = fieldsByName(document).get("_id");
  assert.ok(id);
  return { id, document };
}

interface Case {
  readonly keys: readonly string[];
  readonly isEnd?: boolean;
  readonly idsRepeat?: boolean;
  /** How many documents the chunk has, and the key to go on after; undefined for no chunk. */
  readonly expected: readonly [documents: number, last: string | undefined] | undefined;
}

const CASES: Readonly<Record<string, Case>> = {
  "ends with its last document": { keys: ["a", "b"], expected: [2, "b"] },
  "ends before keys that no query can name": { keys: ["a", "b", "~", "~~"], expected: [2, "b"] },
  "has them all at the end of the collection": { keys: ["a", "~"], isEnd: true, expected: [2, "a"] },
  "is none of nothing but such keys": { keys: ["~", "~~"], expected: undefined },
  "of the end may have nothing but such keys": { keys: ["~"], isEnd: true, expected: [1, undefined] },
  "of the end may be empty": { keys: [], isEnd: true, expected: [0, undefined] },
  "does not end between documents of one key": { keys: ["a", "b", "b"], idsRepeat: true, expected: [1, "a"] },
  "leaves out the last, whose key may come again": { keys: ["a", "b"], idsRepeat: true, expected: [1, "a"] },
  "is none of one key, which may have more": { keys: ["a", "a"], idsRepeat: true, expected: undefined },
  "has documents of one _id at the end of the collection": {
    keys: ["a", "a"],
    isEnd: true,
    idsRepeat: true,
    expected: [2, "a"],
  },
};

for (const [what, { keys, isEnd = false, idsRepeat = false, expected }] of Object.entries(CASES)) {
  Deno.test(`chunkOf(): a chunk ${what}`, () => {
    const chunk = chunkOf(keys.map(keyed), { isEnd, idsRepeat, start: null });
    const id = chunk?.last && fieldsByName(chunk.last).get("_id");
    assert.deepEqual(chunk && [chunk.documents.length, id ? keyText(id) : undefined], expected);
    if (chunk) assert.equal(chunk.done, isEnd);
  });
}
