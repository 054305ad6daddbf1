import assert from "node:assert/strict";
import type { DifferenceKind, Passing } from "../../../lib/verify/result.ts";
import { newTally, type Seen, settle } from "../../../lib/verify/settle.ts";

const seen = (oid: string, document: string | null, row: string | null): Seen => ({
  oid,
  key: { oid, id: undefined },
  kind: document === null ? "extra" : row === null ? "missing" : "different",
  paths: [],
  document,
  row,
  isOverflowed: false,
  isElsewhere: false,
});

/** Both sides of each key in each generation; equal if not listed. */
type Generation = Readonly<Record<string, readonly [document: string | null, row: string | null]>>;

function settling(generations: readonly Generation[], passing: Passing = "passed") {
  const done: string[] = [];
  let at = 0;
  const deps = {
    generations: 10,
    pass: () => {
      done.push("pass");
      return Promise.resolve(passing);
    },
    look: (keys: readonly { readonly oid: string }[]) => {
      const now = generations[Math.min(at++, generations.length - 1)] ?? {};
      done.push(`look at ${keys.map(({ oid }) => oid)}`);
      return Promise.resolve(keys.flatMap(({ oid }) => {
        const [document, row] = now[oid] ?? ["same", "same"];
        return document === row ? [] : [seen(oid, document, row)];
      }));
    },
  };
  return { deps, done };
}

const oids = (found: readonly Seen[]) => found.map(({ oid }) => oid);

Deno.test("settle() does not wait if nothing differs", async () => {
  const { deps, done } = settling([]);
  assert.deepEqual(await settle([], deps), { differing: [], changing: [], relay: undefined });
  assert.deepEqual(done, []);
});

Deno.test("settle() drops a row that was only late", async () => {
  const { deps, done } = settling([{}]);
  const { differing, changing, relay } = await settle([seen("a", "new", "old")], deps);
  assert.deepEqual([differing, changing, relay], [[], [], "passed"]);
  assert.deepEqual(done, ["pass", "look at a"]);
});

Deno.test("settle() counts what is unchanged after the relay has passed", async () => {
  const { deps, done } = settling([{ a: ["new", "old"], b: ["x", null], c: [null, "y"] }]);
  const candidates = [seen("a", "new", "old"), seen("b", "x", null), seen("c", null, "y")];
  const { differing } = await settle(candidates, deps);
  assert.deepEqual(differing.map(({ oid, kind }) => [oid, kind]), [["a", "different"], ["b", "missing"], [
    "c",
    "extra",
  ]]);
  assert.deepEqual(done, ["pass", "look at a,b,c"]);
});

Deno.test("settle() compares a key again whose document or row has changed", async () => {
  const { deps, done } = settling([
    { document: ["2", "0"], row: ["1", "1/2"], lost: ["1", "0"] },
    { document: ["2", "0"] },
  ]);
  const { differing, changing } = await settle(
    [seen("document", "1", "0"), seen("row", "1", "0"), seen("lost", "1", "0")],
    deps,
  );
  assert.deepEqual([oids(differing), oids(changing)], [["lost", "document"], []]);
  assert.deepEqual(done, ["pass", "look at document,row,lost", "pass", "look at document,row"]);
});

Deno.test("settle() calls neither equal nor different what changes in each generation", async () => {
  const hot = Array.from({ length: 20 }, (_, at) => ({ hot: [`${at + 1}`, `${at}`] as const }));
  const { deps, done } = settling(hot);
  const { differing, changing } = await settle([seen("hot", "0", null)], deps);
  assert.deepEqual([oids(differing), oids(changing)], [[], ["hot"]]);
  assert.equal(done.filter((each) => each === "pass").length, 10);
});

Deno.test("settle() leaves open what differs while the stream is paused, except dead letters", async () => {
  const { deps, done } = settling([{ a: ["2", "0"], b: ["1", "0"], dead: ["1", null] }], "paused");
  const look: typeof deps.look = async (keys) =>
    (await deps.look(keys)).map((each) => each.oid === "dead" ? { ...each, kind: "dead letter" } : each);
  const candidates = [seen("a", "1", "0"), seen("b", "1", "0"), seen("c", "1", "0"), seen("dead", "1", null)];
  const { differing, changing, relay } = await settle(candidates, { ...deps, look });
  assert.deepEqual([oids(differing), oids(changing), relay], [["dead"], ["a", "b"], "paused"]);
  assert.deepEqual(done, ["pass", "look at a,b,c,dead"]);
});

for (const passing of ["not running", "stalled"] as const) {
  Deno.test(`settle() counts differences as they are when the relay is ${passing}`, async () => {
    const { deps, done } = settling([{ a: ["2", "0"] }], passing);
    const { differing, changing, relay } = await settle([seen("a", "1", "0"), seen("b", "1", "0")], deps);
    assert.deepEqual([oids(differing), oids(changing), relay], [["a"], [], passing]);
    assert.deepEqual(done, ["pass", "look at a,b"]);
  });
}

const differing = (oid: string, kind: DifferenceKind, isOverflowed = false): Seen => ({
  oid,
  key: { oid, id: undefined },
  kind,
  paths: [],
  document: "d",
  row: null,
  isOverflowed,
  isElsewhere: oid.startsWith("elsewhere"),
});

const tallyOf = (
  kinds: Map<string, DifferenceKind>,
  mends?: ReadonlySet<string>,
  overflowed: readonly string[] = [],
) => {
  const looks: number[] = [];
  const tally = newTally({
    generations: 3,
    pass: () => Promise.resolve("passed"),
    look: (keys) => {
      looks.push(keys.length);
      return Promise.resolve(keys.flatMap(({ oid }) => {
        const kind = kinds.get(oid);
        return kind ? [differing(oid, kind)] : [];
      }));
    },
    repair: mends && ((keys) => {
      for (const { oid } of keys) if (mends.has(oid)) kinds.delete(oid);
      return Promise.resolve();
    }),
    overflowed: (oids) => Promise.resolve(overflowed.filter((oid) => oids.includes(oid)).length),
  });
  return { tally, looks };
};

Deno.test("newTally() counts each kind, and a dead letter as that", async () => {
  const kinds = [["a", "missing"], ["b", "extra"], ["elsewhere", "different"], ["d", "dead letter"]] as const;
  const { tally } = tallyOf(new Map(kinds));
  await tally.add([...kinds, ["e", "missing"] as const].map(([oid, kind]) => differing(oid, kind)));
  const { differences, ...counts } = await tally.finish();
  assert.deepEqual(counts, {
    missing: 1,
    extra: 1,
    different: 1,
    deadLetters: 1,
    changing: 0,
    repaired: 0,
    elsewhere: 1,
    overflowedByRepair: 0,
    relay: "passed",
  });
  assert.deepEqual(differences.map(({ oid, kind }) => [oid, kind]), kinds);
});

Deno.test("newTally() repairs what differs, leaves dead letters alone, and verifies again", async () => {
  const { tally } = tallyOf(
    new Map([["a", "missing"], ["b", "different"], ["c", "dead letter"]]),
    new Set(["a", "c"]),
  );
  await tally.add([differing("a", "missing"), differing("b", "different"), differing("c", "dead letter")]);
  const { repaired, missing, different, deadLetters } = await tally.finish();
  assert.deepEqual({ repaired, missing, different, deadLetters }, {
    repaired: 1,
    missing: 0,
    different: 1,
    deadLetters: 1,
  });
});

Deno.test("newTally() settles lots of keys on the way, and keeps the first differences only", async () => {
  const oids = Array.from({ length: 12_000 }, (_, at) => `${at}`);
  const { tally, looks } = tallyOf(new Map(oids.map((oid) => [oid, "missing"])));
  for (let at = 0; at < oids.length; at += 1_000) {
    await tally.add(oids.slice(at, at + 1_000).map((oid) => differing(oid, "missing")));
  }
  assert.deepEqual(looks, [5_000, 5_000]);
  const { missing, differences } = await tally.finish();
  assert.deepEqual([missing, differences.length], [12_000, 20]);
});

Deno.test("newTally() does not forget a lot that was settled while no relay was running", async () => {
  const found: Passing[] = ["not running", "passed"];
  const look = (keys: readonly { readonly oid: string }[]) =>
    Promise.resolve(keys.map(({ oid }) => seen(oid, "new", "old")));
  const tally = newTally({
    pass: () => Promise.resolve(found.shift() ?? "passed"),
    look,
    generations: 10,
    repair: undefined,
    overflowed: () => Promise.resolve(0),
  });
  await tally.add(Array.from({ length: 5_000 }, (_, at) => seen(`${at}`, "new", "old")));
  await tally.add([seen("last", "new", "old")]);
  const { different, relay } = await tally.finish();
  assert.deepEqual([different, relay], [5_001, "not running"]);
});

Deno.test("newTally() counts rows with overflow as they are after the repair", async () => {
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
  await tally.add(kinds.map(([oid, kind]) => differing(oid, kind, ["keeps", "loses", "goes"].includes(oid))));
  const { repaired, overflowedByRepair } = await tally.finish();
  assert.deepEqual({ repaired, overflowedByRepair }, { repaired: 5, overflowedByRepair: 1 });
});

Deno.test("newTally() no longer says that no relay runs after one has repaired the rows", async () => {
  const kinds = new Map<string, DifferenceKind>([["a", "missing"]]);
  const tallyWith = (repair?: () => Promise<void>) =>
    newTally({
      generations: 3,
      pass: () => Promise.resolve("not running"),
      look: (keys) =>
        Promise.resolve(keys.filter(({ oid }) => kinds.has(oid)).map(({ oid }) => differing(oid, "missing"))),
      repair,
      overflowed: () => Promise.resolve(0),
    });
  const reported = tallyWith();
  await reported.add([differing("a", "missing")]);
  assert.equal((await reported.finish()).relay, "not running");
  const repairing = tallyWith(() => Promise.resolve(kinds.clear()));
  await repairing.add([differing("a", "missing")]);
  const { repaired, relay } = await repairing.finish();
  assert.deepEqual([repaired, relay], [1, "passed"]);
});
