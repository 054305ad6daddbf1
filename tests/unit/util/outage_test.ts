import assert from "node:assert/strict";
import { on } from "../../../lib/pipeline/status/events.ts";
import { OutageTracker, SILENT_MS } from "../../../lib/util/outage.ts";
import { fakeClock } from "../../support/fake_clock.ts";

const MINUTE = 60_000;

function tracked() {
  const reported: string[] = [];
  const retried: string[] = [];
  const clock = fakeClock();
  const tracker = new OutageTracker({
    system: "MongoDB",
    clock,
    emit: on({
      outageBegan: ({ error, lasted }) => reported.push(`out ${error} ${lasted}`),
      outage: ({ error, lasted }) => reported.push(`still ${error} ${lasted}`),
      recovered: ({ lasted }) => reported.push(`back ${lasted}`),
      retried: ({ system }) => retried.push(system),
    }),
  });
  return { tracker, reported, retried, pass: (milliseconds: number) => clock.pass(milliseconds) };
}

Deno.test("OutageTracker reports one outage, however many operations meet it", () => {
  const { tracker, reported, retried, pass } = tracked();
  const [one, other] = [Symbol(), Symbol()];
  tracker.failed(one, "a");
  pass(1);
  tracker.failed(other, "b");
  tracker.failed(one, "c");
  assert.deepEqual(retried, ["MongoDB", "MongoDB", "MongoDB"]);
  assert.ok(tracker.active);
  pass(69);
  tracker.answered(one);
  assert.deepEqual(reported, ["out a 0"]);
  pass(20);
  tracker.answered(other);
  assert.deepEqual(reported, ["out a 0", "back 90"]);
  assert.ok(!tracker.active);
});

Deno.test("OutageTracker reports again every minute how long it has lasted, until it is over", () => {
  const { tracker, reported, pass } = tracked();
  const operation = Symbol();
  tracker.failed(operation, "a");
  for (let minute = 0; minute < 2; minute++) {
    pass(MINUTE / 2);
    tracker.failed(operation, "b");
    pass(MINUTE / 2);
    tracker.check();
  }
  tracker.answered(operation);
  pass(MINUTE);
  tracker.check();
  assert.deepEqual(reported, ["out a 0", "still b 60000", "still b 120000", "back 120000"]);
});

Deno.test("OutageTracker emits nothing for an operation that is answered at once", () => {
  const { tracker, reported } = tracked();
  tracker.answered(Symbol());
  assert.deepEqual(reported, []);
});

Deno.test("OutageTracker ends an outage whose operation is given up with the next answer", () => {
  const { tracker, reported, pass } = tracked();
  const operation = Symbol();
  tracker.failed(operation, "a");
  tracker.gaveUp(operation);
  assert.ok(tracker.active);
  pass(10);
  tracker.answered(Symbol());
  assert.deepEqual(reported, ["out a 0", "back 10"]);
});

Deno.test("OutageTracker reports a question without an answer, and its answer", () => {
  const { tracker, reported, pass } = tracked();
  const operation = Symbol();
  const question = tracker.asked();
  pass(SILENT_MS - 1);
  tracker.check();
  assert.deepEqual(reported, []);
  assert.equal(tracker.waited, SILENT_MS - 1);
  pass(1_001);
  tracker.check();
  tracker.answered(Symbol()); // Of another connection.
  assert.ok(tracker.active);
  question[Symbol.dispose]();
  assert.ok(tracker.active, "a question that ended is no answer");
  tracker.answered(operation);
  assert.deepEqual(reported, ["out SilentError: no answer for 6 s 6000", "back 6000"]);
  assert.equal(tracker.waited, 0);
});

Deno.test("OutageTracker gives a question without a limit all the time it needs", () => {
  const { tracker, reported, pass } = tracked();
  using _question = tracker.asked({ allowedMs: Infinity });
  pass(10 * MINUTE);
  tracker.check();
  assert.deepEqual([reported, tracker.waited], [[], 0]);
});

Deno.test("OutageTracker counts what a question waits beyond the time that it allows", () => {
  const { tracker, reported, pass } = tracked();
  using _slow = tracker.asked({ allowedMs: MINUTE });
  pass(MINUTE + SILENT_MS - 1);
  tracker.check();
  assert.deepEqual([reported, tracker.waited], [[], SILENT_MS - 1]);
  pass(1);
  tracker.check();
  assert.deepEqual(reported, ["out SilentError: no answer for 5 s 5000"]);
});

Deno.test("OutageTracker goes by the question that waits longest, though an older one allows more time", () => {
  const { tracker, pass } = tracked();
  using _slow = tracker.asked({ allowedMs: MINUTE });
  pass(1_000);
  tracker.answered(Symbol());
  pass(1_000);
  assert.deepEqual([tracker.waited, tracker.quietFor], [0, 1_000]);
  using _quick = tracker.asked();
  pass(3_000);
  assert.deepEqual([tracker.waited, tracker.quietFor], [3_000, 3_000]);
});

Deno.test("OutageTracker goes by the oldest question", () => {
  const { tracker, pass } = tracked();
  using _old = tracker.asked();
  pass(2_000);
  const young = tracker.asked();
  pass(1_000);
  young[Symbol.dispose]();
  assert.deepEqual([tracker.waited, tracker.quietFor], [3_000, 3_000]);
});
