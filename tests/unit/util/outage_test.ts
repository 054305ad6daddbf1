import assert from "node:assert/strict";
import { mock } from "node:test";
import { OutageTracker } from "../../../lib/util/outage.ts";

function tracked() {
  const told: string[] = [];
  const retried: string[] = [];
  let now = 0;
  const tracker = new OutageTracker({
    system: "MongoDB",
    now: () => now,
    observer: {
      outage: ({ error, lasted }) => told.push(`out ${error} ${lasted}`),
      recovered: ({ lasted }) => told.push(`back ${lasted}`),
      retried: ({ system }) => retried.push(system),
    },
  });
  return { tracker, told, retried, at: (time: number) => now = time };
}

Deno.test("OutageTracker tells of one outage, however many operations meet it", () => {
  const { tracker, told, retried, at } = tracked();
  const [one, other] = [Symbol(), Symbol()];
  tracker.failed(one, "a");
  tracker.failed(other, "b");
  tracker.failed(one, "c");
  assert.deepEqual(retried, ["MongoDB", "MongoDB", "MongoDB"]);
  assert.ok(tracker.active);
  at(70);
  tracker.succeeded(one);
  assert.deepEqual(told, ["out a 0"]);
  at(90);
  tracker.succeeded(other);
  assert.deepEqual(told, ["out a 0", "back 90"]);
  assert.ok(!tracker.active);
});

Deno.test("OutageTracker tells again every minute how long it has lasted, until it is over", () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const { tracker, told, at } = tracked();
    const operation = Symbol();
    tracker.failed(operation, "a");
    tracker.failed(operation, "b");
    for (const time of [60_000, 120_000]) {
      at(time);
      mock.timers.tick(60_000);
    }
    tracker.succeeded(operation);
    mock.timers.tick(60_000);
    assert.deepEqual(told, ["out a 0", "out b 60000", "out b 120000", "back 120000"]);
  } finally {
    mock.timers.reset();
  }
});

Deno.test("OutageTracker says nothing of an operation that succeeds at once, or that is given up", () => {
  const { tracker, told } = tracked();
  const operation = Symbol();
  tracker.succeeded(operation);
  tracker.failed(operation, "a");
  tracker.gaveUp(operation);
  assert.deepEqual(told, ["out a 0"]);
  assert.ok(!tracker.active);
});
