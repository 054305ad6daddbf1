import assert from "node:assert/strict";
import { RefreshPace } from "../../../../lib/pipeline/loop/checkpoint.ts";

const NOW = 1_000_000;

function paceAfter(costs: readonly number[], longestPause = 1_000) {
  const pace = new RefreshPace(longestPause);
  for (const cost of costs) pace.refreshed(NOW - cost, NOW);
  return { due: pace.dueAt - NOW, latest: pace.latestAt - NOW };
}

Deno.test("RefreshPace lets the first refresh begin at once", () => {
  assert.ok(new RefreshPace(1_000).dueAt <= NOW);
});

Deno.test("RefreshPace makes rows visible 40 times a second at most", () => {
  assert.equal(paceAfter([4]).due, 25);
  assert.equal(paceAfter([50]).due, 25);
});

Deno.test("RefreshPace gives slow refreshes two thirds of the time", () => {
  assert.equal(paceAfter([100]).due, 50);
});

Deno.test("RefreshPace pauses no longer than it may", () => {
  assert.deepEqual(paceAfter([3_000]), { due: 1_000, latest: 1_000 });
});

Deno.test("RefreshPace adapts to how long refreshes take lately", () => {
  const slow = Array.from({ length: 20 }, () => 100);
  assert.ok(paceAfter([4, ...slow]).due > 47);
  const fast = Array.from({ length: 20 }, () => 4);
  assert.ok(paceAfter([200, ...fast]).due === 25);
});

Deno.test("RefreshPace takes one slow refresh for an exception", () => {
  const { due } = paceAfter([4, 4, 200]);
  assert.ok(due < 50, `${due}`);
});
