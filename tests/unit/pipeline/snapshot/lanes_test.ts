import assert from "node:assert/strict";
import { runLanes } from "../../../../lib/pipeline/snapshot/lanes.ts";

const turn = () => new Promise<void>((done) => setTimeout(done));

/** Runs work until there is none. @returns the most that ran at once, and what has ended */
async function run(lanes: number, works: readonly (() => Promise<void>)[]) {
  let [running, most, at] = [0, 0, 0];
  const done: number[] = [];
  await runLanes(lanes, () => {
    const work = works[at];
    const mine = at++;
    return work && (async () => {
      most = Math.max(most, ++running);
      await work();
      running--;
      done.push(mine);
    });
  });
  return { most, done };
}

for (const [lanes, most] of [[1, 1], [4, 4], [9, 6]] as const) {
  Deno.test(`runLanes() runs six works in ${lanes} lanes, ${most} at once`, async () => {
    assert.deepEqual(await run(lanes, Array(6).fill(turn)), { most, done: [0, 1, 2, 3, 4, 5] });
  });
}

Deno.test("runLanes() ends at once where there is nothing to do", async () => {
  assert.deepEqual(await run(4, []), { most: 0, done: [] });
});

Deno.test("runLanes() asks again when work has ended, which may bring new work", async () => {
  const done: string[] = [];
  const works = ["split"];
  await runLanes(4, () => {
    const name = works.shift();
    return name === undefined ? undefined : async () => {
      await turn();
      done.push(name);
      if (name === "split") works.push("a", "b", "c");
    };
  });
  assert.deepEqual(done, ["split", "a", "b", "c"]);
});

Deno.test("runLanes() starts nothing after an error, and throws it when all has ended", async () => {
  const done: string[] = [];
  const works = [
    () => Promise.reject(new Error("failed")),
    () => turn().then(() => void done.push("running")),
    () => Promise.resolve(void done.push("later")),
  ];
  await assert.rejects(runLanes(2, () => works.shift()), /failed/);
  assert.deepEqual(done, ["running"]);
});
