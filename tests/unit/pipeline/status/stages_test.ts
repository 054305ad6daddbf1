import assert from "node:assert/strict";
import { type Stage, type StageDone, timed, timedParts } from "../../../../lib/pipeline/status/stages.ts";

/** A clock that the test moves. */
function watch() {
  const told: [Stage, number][] = [];
  const clock = { time: 0 };
  const options = {
    emit: ({ stage, seconds }: StageDone) => told.push([stage, seconds]),
    now: () => clock.time,
  };
  return { told, options, pass: (milliseconds: number) => clock.time += milliseconds };
}

Deno.test("timed() returns the result, and emits how long it took", async () => {
  const { told, options, pass } = watch();
  assert.equal(await timed("write", () => Promise.resolve(pass(250)), options), 250);
  assert.deepEqual(told, [["write", 0.25]]);
});

Deno.test("timed() emits a stage that fails, and throws its error", async () => {
  const { told, options, pass } = watch();
  const failing = () => {
    pass(40);
    throw new Error("no");
  };
  await assert.rejects(timed("split", failing, options), /^Error: no$/);
  assert.deepEqual(told, [["split", 0.04]]);
});

Deno.test("timedParts() emits how long each part took to arrive, without the time of the consumer", async () => {
  const { told, options, pass } = watch();
  async function* parts() {
    for (const milliseconds of [10, 20]) {
      pass(milliseconds);
      yield milliseconds;
    }
    pass(5);
    await Promise.resolve();
  }
  const seen: number[] = [];
  for await (const part of timedParts("look_up", parts(), options)) {
    pass(1_000);
    seen.push(part);
  }
  assert.deepEqual(seen, [10, 20]);
  assert.deepEqual(told, [["look_up", 0.01], ["look_up", 0.02]]);
});
