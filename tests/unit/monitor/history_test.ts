import assert from "node:assert/strict";
import { History, SAMPLE_MS } from "../../../lib/monitor/status_report.ts";
import { statusOf } from "../../support/status_of.ts";
import { fakeClock, START } from "../../support/fake_clock.ts";

function setUp() {
  const clock = fakeClock();
  const status = { current: statusOf({ lag: 7 }) };
  const reading = new Map<string, { documents: number }>();
  const history = new History(status, clock, reading);

  const pass = (rows: number) => {
    status.current = statusOf({ lag: 7, upserts: status.current.upserts + rows });
    clock.pass(SAMPLE_MS);
    history.sample();
  };
  return { clock, status, history, reading, pass };
}

Deno.test("History has time, lag and rate of each sample, and those after a time", () => {
  const { history, pass } = setUp();
  pass(500);
  pass(1_000);
  assert.deepEqual(history.since(0), [[START, 7, 0], [START + 5_000, 7, 100], [START + 10_000, 7, 150]]);
  assert.deepEqual(history.since(START + 5_000), [[START + 10_000, 7, 150]]);
});

Deno.test("History keeps an hour", () => {
  const { history, pass } = setUp();
  for (let count = 0; count < 800; count++) pass(1);
  assert.equal(history.since(0).length, 720);
  assert.equal(history.since(0)[0]?.[0], START + 81 * SAMPLE_MS);
});

Deno.test("History has no negative rate after a stream was started again", () => {
  const { history, pass, status, clock } = setUp();
  pass(500);
  pass(500);
  status.current = statusOf({ upserts: 3 });
  clock.pass(1_000);
  assert.equal(history.rate, 0);
});

Deno.test("History has the rate of each collection that a snapshot reads", () => {
  const { history, reading, clock, pass } = setUp();
  reading.set("shop.orders", { documents: 1_000 });
  clock.pass(1_000);
  assert.deepEqual([history.rateOf("shop.orders"), history.rateOf("shop.lines")], [1_000, 0]);
  for (let count = 0; count < 6; count++) pass(0);
  assert.equal(history.rateOf("shop.orders"), 0);
});
