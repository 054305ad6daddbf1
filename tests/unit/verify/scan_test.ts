import assert from "node:assert/strict";
import type { Document } from "mongodb";
import type { PageOptions } from "../../../lib/source/connection/causal_reader.ts";
import type { Passing } from "../../../lib/verify/result.ts";
import { count, scanSample } from "../../../lib/verify/scan.ts";

/** Counts of documents, one after the other; the last one stays. */
const counting = (
  documents: number[],
  rows: number,
  relay: Passing = "passed",
  { seeksExtra = true, seeksMissing = true } = {},
) =>
  count({
    documents: () => Promise.resolve(documents.length > 1 ? documents.shift() ?? 0 : documents[0] ?? 0),
    rows: () => Promise.resolve(rows),
    deadLetters: () => Promise.resolve(1),
    pass: () => Promise.resolve(relay),
    generations: 3,
    seeksExtra,
    seeksMissing,
  });

Deno.test("count() judges the rows if the number of documents did not change", async () => {
  assert.deepEqual(await counting([5, 6, 7, 7], 6), {
    documents: 7,
    rows: 6,
    deadLetters: 1,
    relay: "passed",
    missing: 0,
    extra: 0,
    changing: 0,
  });
});

Deno.test("count() reports changing documents after the last count", async () => {
  const { missing, extra, changing } = await counting([1, 2, 3, 4, 5, 6, 7], 6);
  assert.deepEqual([missing, extra, changing], [0, 0, 2]);
});

Deno.test("count() counts once if no relay runs", async () => {
  const { documents, missing, extra, changing } = await counting([1, 2, 3], 6, "not running");
  assert.deepEqual([documents, missing, extra, changing], [1, 0, 6, 0]);
});

Deno.test("count() leaves open what rows are missing while the stream is paused", async () => {
  const { documents, missing, extra, changing } = await counting([9, 8, 7], 6, "paused");
  assert.deepEqual([documents, missing, extra, changing], [9, 0, 0, 2]);
});

Deno.test("count() misses no row if expired documents have none", async () => {
  assert.equal((await counting([7], 6, "passed", { seeksMissing: false })).missing, 0);
});

Deno.test("count() takes no row for one too many if rows of deleted documents stay", async () => {
  const { missing, extra } = await counting([1], 6, "passed", { seeksExtra: false });
  assert.deepEqual([missing, extra], [0, 0]);
});

for (const relay of ["passed", "paused"] as const) {
  Deno.test(`count() leaves open nothing that is no error, if documents change and the relay is: ${relay}`, async () => {
    const kept = await counting([1, 2, 3, 4, 5, 6, 7], 20, relay, { seeksExtra: false });
    const expired = await counting([9, 8, 7, 6, 5, 4, 3], 1, relay, { seeksMissing: false });
    assert.deepEqual([kept.changing, expired.changing], [0, 0]);
  });
}

Deno.test("scanSample() compares all keys of a sample that has several replies, and limits its size", async () => {
  const replies = [[1, 2], [3]];
  const asked: unknown[] = [];
  const { documents } = await scanSample(2 ** 32 + 5, {
    namespace: { database: "shop", collection: "orders" },
    signal: new AbortController().signal,
    seeksExtra: true,
    bulkReader: {
      page: (_: unknown, { pipeline: [stage] }: Document, { goesOn = () => false }: PageOptions) => {
        asked.push(stage?.$sample.size);
        const found = replies.slice(0, goesOn([]) ? replies.length : 1).flat();
        return Promise.resolve({ documents: found.map((id) => ({ id })) });
      },
    },
    reader: {
      lookUp: async function* (_: unknown, ids: readonly unknown[]) {
        yield await Promise.resolve(ids.map((id) => ({ id, document: new Uint8Array() })));
      },
    },
    rows: {
      sample: (size: number) => {
        asked.push(size);
        return Promise.resolve([]);
      },
    },
    sides: { compare: () => Promise.resolve({ differing: [], overflowed: 0 }) },
    onDiffering: () => Promise.resolve(),
    onCompared: () => {},
  } as never);
  assert.equal(documents, 3);
  assert.deepEqual(asked, [2 ** 31 - 1, 2 ** 31 - 1]);
});
