import assert from "node:assert/strict";
import { eventually } from "../../../dev/servers/eventually.ts";
import { LONGEST_PAUSE_MS, supervise } from "../../../lib/relay/streams.ts";
import { fakeClock } from "../../support/fake_clock.ts";

/** Supervises runs that fail, unless a test has the next one do something else. */
function setUp() {
  const clock = fakeClock();
  const stop = new AbortController();
  let hurrying = new AbortController();
  const pauses: number[] = [];
  let next = (): Promise<void> => Promise.reject(new Error("away"));
  const running = supervise(() => next(), {
    signal: stop.signal,
    clock,
    hurry: () => hurrying.signal,
    onFailure: (_error, pause) => void pauses.push(pause),
  });
  running.catch(() => {});
  const waits = () => eventually(() => assert.equal(clock.waits, 1));
  return {
    clock,
    stop,
    pauses,
    running,
    waits,
    hurry: () => {
      const before = hurrying;
      hurrying = new AbortController();
      before.abort();
    },
    become: (run: () => Promise<void>) => next = run,
    async passPause() {
      await waits();
      clock.pass(pauses.at(-1) ?? 0);
    },
  };
}

Deno.test("supervise() restarts after pauses that double up to 5 minutes", async () => {
  const { pauses, passPause, stop, running, waits } = setUp();
  for (let failure = 0; failure < 10; failure++) await passPause();
  await waits();
  assert.deepEqual(pauses.slice(0, 4), [1_000, 2_000, 4_000, 8_000]);
  assert.deepEqual(pauses.slice(-3), [256_000, 300_000, 300_000]);
  stop.abort(new Error("stopped"));
  await running;
});

Deno.test("supervise() begins with the first pause again after a run that was long enough", async () => {
  const { clock, pauses, passPause, become, waits, stop, running } = setUp();
  await passPause();
  await waits();
  become(() => {
    clock.time += LONGEST_PAUSE_MS;
    return Promise.reject(new Error("away"));
  });
  await passPause();
  await waits();
  assert.deepEqual(pauses, [1_000, 2_000, 1_000]);
  stop.abort(new Error("stopped"));
  await running;
});

Deno.test("supervise() restarts at once when it is hurried, and ends with a run that succeeds", async () => {
  const { pauses, hurry, become, running, waits } = setUp();
  await waits();
  become(() => Promise.resolve());
  hurry();
  await running;
  assert.deepEqual(pauses, [1_000]);
});

Deno.test("supervise() ends without an error if the stop has ended the run", async () => {
  const { stop, become, passPause, running, pauses } = setUp();
  become(() => {
    stop.abort(new Error("stopped"));
    return Promise.reject(new DOMException("a wait has ended", "AbortError"));
  });
  await passPause();
  await running;
  assert.deepEqual(pauses, [1_000]);
});

Deno.test("supervise() ends with the error of the run when it is stopped, and of what a failure calls", async () => {
  const stop = new AbortController();
  const clock = fakeClock();
  const hurry = () => new AbortController().signal;
  const failure = new Error("the last save failed");
  const run = () => {
    stop.abort(new Error("stopped"));
    return Promise.reject(failure);
  };
  const onFailure = () => {
    throw new Error("no restarts");
  };
  await assert.rejects(supervise(run, { signal: stop.signal, clock, hurry, onFailure }), failure);
  const { signal } = new AbortController();
  const fail = () => Promise.reject(failure);
  await assert.rejects(supervise(fail, { signal, clock, hurry, onFailure }), /no restarts/);
});
