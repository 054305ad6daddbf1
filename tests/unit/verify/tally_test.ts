import assert from "node:assert/strict";
import type { DifferenceKind } from "../../../lib/verify/result.ts";
import type { Seen } from "../../../lib/verify/settle.ts";
import { Tally } from "../../../lib/verify/tally.ts";

const seen = (oid: string, kind: DifferenceKind, isOverflowed = false): Seen => ({
  oid,
  key: { oid, id: undefined },
  kind,
  paths: [],
  document: "d",
  row: null,
  isOverflowed,
});

const tallyOf = (
  differing: Map<string, DifferenceKind>,
  mends?: ReadonlySet<string>,
  overflowed: readonly string[] = [],
) => {
  const looks: number[] = [];
  const tally = new Tally({
    generations: 3,
    pass: () => Promise.resolve("passed"),
    look: (keys) => {
      looks.push(keys.length);
      return Promise.resolve(keys.flatMap(({ oid }) => {
        const kind = differing.get(oid);
        return kind ? [seen(oid, kind)] : [];
      }));
    },
    repair: mends && ((keys) => {
      for (const { oid } of keys) if (mends.has(oid)) differing.delete(oid);
      return Promise.resolve();
    }),
    overflowed: (oids) => Promise.resolve(overflowed.filter((oid) => oids.includes(oid)).length),
  });
  return { tally, looks };
};

Deno.test("Tally counts each kind, and a dead letter as that", async () => {
  const kinds = [["a", "missing"], ["b", "extra"], ["c", "different"], ["d", "dead letter"]] as const;
  const { tally } = tallyOf(new Map(kinds));
  await tally.add([...kinds, ["e", "missing"] as const].map(([oid, kind]) => seen(oid, kind)));
  const { differences, ...counts } = await tally.finish();
  assert.deepEqual(counts, {
    missing: 1,
    extra: 1,
    different: 1,
    deadLetters: 1,
    changing: 0,
    repaired: 0,
    overflowedByRepair: 0,
    relay: "passed",
  });
  assert.deepEqual(differences.map(({ oid, kind }) => [oid, kind]), kinds);
});

Deno.test("Tally repairs what differs, leaves dead letters alone, and verifies again", async () => {
  const { tally } = tallyOf(
    new Map([["a", "missing"], ["b", "different"], ["c", "dead letter"]]),
    new Set(["a", "c"]),
  );
  await tally.add([seen("a", "missing"), seen("b", "different"), seen("c", "dead letter")]);
  const { repaired, missing, different, deadLetters } = await tally.finish();
  assert.deepEqual({ repaired, missing, different, deadLetters }, {
    repaired: 1,
    missing: 0,
    different: 1,
    deadLetters: 1,
  });
});

Deno.test("Tally settles lots of keys on the way, and keeps the first differences only", async () => {
  const oids = Array.from({ length: 12_000 }, (_, at) => `${at}`);
  const { tally, looks } = tallyOf(new Map(oids.map((oid) => [oid, "missing"])));
  for (let at = 0; at < oids.length; at += 1_000) {
    await tally.add(oids.slice(at, at + 1_000).map((oid) => seen(oid, "missing")));
  }
  assert.deepEqual(looks, [5_000, 5_000]);
  const { missing, differences } = await tally.finish();
  assert.deepEqual([missing, differences.length], [12_000, 20]);
});

Deno.test("Tally counts rows with overflow as they are after the repair", async () => {
  const kinds = [["gains", "missing"], ["gains too", "different"], ["keeps", "different"], [
    "loses",
    "different",
  ], [
    "goes",
    "extra",
  ]] as const;
  const { tally } = tallyOf(new Map(kinds), new Set(kinds.map(([oid]) => oid)), [
    "gains",
    "gains too",
    "keeps",
  ]);
  await tally.add(kinds.map(([oid, kind]) => seen(oid, kind, ["keeps", "loses", "goes"].includes(oid))));
  const { repaired, overflowedByRepair } = await tally.finish();
  assert.deepEqual({ repaired, overflowedByRepair }, { repaired: 5, overflowedByRepair: 1 });
});
