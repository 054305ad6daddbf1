import assert from "node:assert/strict";
import { fullSnapshot } from "../../../lib/pipeline/snapshot/snapshot_state.ts";
import { BSON } from "mongodb";
import { bytesToHex } from "../../../lib/bson/bson.ts";
import type { SavedPosition } from "../../../lib/sink/metadata/saved_position.ts";
import { relayWatch } from "../../../lib/verify/repair.ts";

const TIME = new BSON.Timestamp({ t: 1_000, i: 5 });

const tokenAt = (seconds: number, ordinal = 0): string =>
  bytesToHex(BSON.serialize({
    _data: `82${seconds.toString(16).padStart(8, "0")}${ordinal.toString(16).padStart(8, "0")}`,
  }));

const running = (token: string | null, snapshot: string | null = null): SavedPosition => ({
  stream: "shop.* -> …",
  token,
  snapshot,
  barrier: null,
  isUpToDate: false,
  isHeld: true,
});

const watching = (...saved: readonly (readonly (SavedPosition | undefined)[])[]) => watchingFrom({}, saved);

/** Relays that save these positions, one per poll, and then no more. */
function watchingFrom(
  within: { readonly runsIn?: string },
  saved: readonly (readonly (SavedPosition | undefined)[])[],
) {
  const clock = {
    time: 0,
    now: () => clock.time,
    monotonic: () => clock.time,
    wait: (ms: number) => Promise.resolve(void (clock.time += ms)),
  };
  let at = 0;
  const watch = relayWatch({
    read: () => {
      const poll = at++;
      return Promise.resolve(saved.map((each) => each[Math.min(poll, each.length - 1)]));
    },
    settle: 1_000,
    ...within,
    clock,
    signal: new AbortController().signal,
  });
  return { watch, clock };
}

Deno.test("relayWatch() reports that no relay runs", async () => {
  for (const saved of [undefined, { ...running(tokenAt(2_000)), isHeld: false }]) {
    assert.equal(await watching([saved]).watch.passes(TIME), "not running");
  }
});

Deno.test("relayWatch() waits until the position has reached the time", async () => {
  const { watch, clock } = watching([
    running(null),
    running(tokenAt(999, 9)),
    running(tokenAt(1_000, 4)),
    { ...running(tokenAt(1_000, 5)), isUpToDate: true },
  ]);
  assert.equal(await watch.passes(TIME), "passed");
  assert.equal(clock.time, 300);
});

Deno.test("relayWatch() waits for a snapshot as long as it gets on", async () => {
  const snapshot = (documents: number) =>
    JSON.stringify({ ...fullSnapshot({ removesStale: false }), resumeAt: "shop.a", documents });
  const chunks = Array.from({ length: 50 }, (_, at) => running(tokenAt(1_001), snapshot(at)));
  assert.equal(await watching([...chunks, running(tokenAt(1_001))]).watch.passes(TIME), "passed");
});

Deno.test("relayWatch() gives up on a position that does not move", async () => {
  const { watch, clock } = watching([running(tokenAt(10)), running(tokenAt(11))]);
  assert.equal(await watch.passes(TIME), "stalled");
  assert.equal(clock.time, 1_100);
});

Deno.test("relayWatch() does not wait for a pause, unless all was written before it", async () => {
  const paused = { ...running(tokenAt(10)), isPaused: true };
  const { watch, clock } = watching([running(tokenAt(9)), paused]);
  assert.equal(await watch.passes(TIME), "paused");
  assert.equal(clock.time, 100);
  const worker = watching([running(tokenAt(1_001))], [paused]);
  assert.equal(await worker.watch.passes(TIME), "paused");
  assert.equal(await watching([{ ...paused, token: tokenAt(1_001) }]).watch.passes(TIME), "passed");
  assert.equal(await watching([{ ...paused, isHeld: false }]).watch.passes(TIME), "not running");
});

Deno.test("relayWatch() reports that a relay ends while it waits", async () => {
  const lapsed = Array.from({ length: 60 }, (_, at) => ({ ...running(tokenAt(10 + at)), isHeld: false }));
  const { watch, clock } = watching([running(tokenAt(10)), ...lapsed]);
  assert.equal(await watch.passes(TIME), "not running");
  assert.equal(clock.time, 5_000);
});

Deno.test("relayWatch() waits for a lease that lapses for a moment", async () => {
  const lapsed = { ...running(tokenAt(10)), isHeld: false };
  const { watch, clock } = watching([
    running(tokenAt(10)),
    ...Array(9).fill(lapsed),
    running(tokenAt(2_000)),
  ]);
  assert.equal(await watch.isRunning(), true);
  assert.equal(await watch.isRunning(), true);
  assert.equal(await watch.passes(TIME), "passed");
  clock.time += 60_000;
  assert.equal(await watch.isRunning(), true);
});

Deno.test("relayWatch() knows that the relay runs in which it watches, not that other workers do", async () => {
  const lapsed = { ...running(tokenAt(2_000)), isHeld: false };
  const own = watchingFrom({ runsIn: lapsed.stream }, [[lapsed]]).watch;
  assert.deepEqual([await own.isRunning(), await own.passes(TIME)], [true, "passed"]);
  const worker = { ...lapsed, stream: "shop.* -> … (worker 1/2)" };
  const { watch } = watchingFrom({ runsIn: lapsed.stream }, [[lapsed], [worker]]);
  assert.deepEqual([await watch.isRunning(), await watch.passes(TIME)], [false, "not running"]);
});

Deno.test("relayWatch() of several workers waits for the one that is behind most", async () => {
  const passed = running(tokenAt(1_001));
  const stalled = running(tokenAt(10));
  const ended = { ...passed, isHeld: false };
  const passes = (...all: readonly SavedPosition[]) =>
    watching(...all.map((each) => [each])).watch.passes(TIME);
  assert.equal(await passes(passed, passed), "passed");
  assert.equal(await passes(passed, stalled), "stalled");
  assert.equal(await passes(stalled, ended, passed), "not running");
});

Deno.test("relayWatch() of several workers runs if each of them runs", async () => {
  const [alive, ended] = [running(null), { ...running(null), isHeld: false }];
  const areRunning = (...all: readonly SavedPosition[]) =>
    watching(...all.map((each) => [each])).watch.isRunning();
  assert.deepEqual([await areRunning(alive, alive), await areRunning(alive, ended)], [true, false]);
});
