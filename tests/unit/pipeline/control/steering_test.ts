import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { Steering, type SteeringDeps } from "../../../../lib/pipeline/control/steering.ts";
import type { BetweenBatches, BetweenTerms } from "../../../../lib/pipeline/control/verb.ts";
import { OplogHiddenError } from "../../../../lib/source/stream/oplog.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

const PAUSE = { since: 1, reason: null, resumeAt: null, resume: "auto" } as const;
const ASKED = { isResumed: false };
const T = new BSON.Timestamp({ t: 1_800_000_000, i: 3 });
const AFTER_T = new BSON.Timestamp({ t: T.t, i: 4 });

/** A stream whose terms end at once when they are told to. */
function steered(paused: string | null = null, more: Partial<SteeringDeps> = {}) {
  const clock = fakeClock();
  const ended: string[] = [];
  const events: string[] = [];
  const state = { token: null as string | null, snapshot: null, origin: null, barrier: null, paused };
  const position = {
    state,
    save: (change: Partial<typeof state>) => Promise.resolve(void Object.assign(state, change)),
  };
  const deps = {
    emit: ({ type }: { readonly type: string }) => events.push(type),
    log: QUIET,
    clock,
    position,
    endTerm: () => ended.push("term"),
    settings: () => ({}),
    oplog: () => Promise.reject(new OplogHiddenError("hidden")),
    mongodbClock: clock,
    timeNow: () => Promise.resolve(new BSON.Timestamp({ t: T.t - 1, i: 1 })),
    ...more,
  };
  const steering = new Steering(deps as unknown as SteeringDeps);
  const relay = new AbortController();
  const request = new AbortController();
  const place = { signal: relay.signal };
  return {
    steering,
    clock,
    state,
    ended,
    events,
    relay,
    request,
    stream: steering.streamFor(request.signal),
    betweenTerms: () => steering.runApart(place as BetweenTerms),
    betweenBatches: (signal = relay.signal) => steering.runBetween({ signal } as BetweenBatches),
  };
}

Deno.test("Steering pauses between two terms, and goes on when it is resumed", async () => {
  const { steering, stream, state, ended, events, betweenTerms } = steered();
  const pausing = stream.pause(PAUSE);
  while (ended.length === 0) await Promise.resolve();
  const waiting = betweenTerms();
  await pausing;
  assert.deepEqual([steering.isPaused, ended, state.paused], [true, ["term"], JSON.stringify(PAUSE)]);
  await stream.resume("asked for");
  await waiting;
  assert.deepEqual([steering.isPaused, state.paused, events], [false, null, ["paused", "resumed"]]);
});

Deno.test("Steering begins a pause at once while a task runs between two terms, and stays paused after it", async () => {
  const { steering, stream, relay, events, betweenTerms } = steered();
  const task = Promise.withResolvers<void>();
  const done = stream.apart(() => task.promise);
  const waiting = betweenTerms();
  await stream.pause(PAUSE);
  task.resolve();
  await done;
  relay.abort();
  await waiting;
  assert.deepEqual([steering.isPaused, events], [true, ["paused"]]);
});

Deno.test("Steering stays paused by a request that arrives as the pause before it ends", async () => {
  const saving = Promise.withResolvers<void>();
  const state = { token: null, paused: JSON.stringify({ ...PAUSE, resumeAt: 0 }) };
  const save = async (change: object) => {
    await saving.promise;
    Object.assign(state, change);
  };
  const position = { state, save } as unknown as SteeringDeps["position"];
  const { steering, stream, relay, betweenTerms } = steered(state.paused, { position });
  const pausing = stream.pause(PAUSE);
  const waiting = betweenTerms();
  await new Promise((resolve) => setTimeout(resolve));
  saving.resolve();
  await pausing;
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([steering.isPaused, state.paused], [true, JSON.stringify(PAUSE)]);
  relay.abort();
  await waiting;
});

Deno.test("Steering starts paused if a pause was saved, and ends the wait with the relay", async () => {
  const { steering, relay, betweenTerms, events } = steered(JSON.stringify(PAUSE));
  assert.ok(steering.isPaused);
  const waiting = betweenTerms();
  relay.abort();
  await waiting;
  assert.deepEqual(events, ["paused"]);
});

Deno.test("Steering runs a task between two batches, and again in the next term if its own has ended", async () => {
  const { stream, betweenBatches } = steered();
  const term = new AbortController();
  let runs = 0;
  const done = stream.between(() => {
    if (runs++ > 0) return Promise.resolve("done");
    term.abort();
    return Promise.reject(new Error("the settings were replaced"));
  });
  await betweenBatches(term.signal);
  assert.equal(runs, 1, "not in the term that has ended");
  await betweenBatches();
  assert.deepEqual([await done, runs], ["done", 2]);
});

Deno.test("Steering gives a task's error to its request, and drops the tasks of a cancelled one", async () => {
  const { stream, request, betweenBatches } = steered();
  const failing = assert.rejects(stream.between(() => Promise.reject(new Error("no"))), /no/);
  await betweenBatches();
  await failing;
  const cancelled = assert.rejects(stream.between(() => assert.fail("it runs")), /cancelled/);
  request.abort(new Error("cancelled"));
  await betweenBatches();
  await cancelled;
});

Deno.test("Steering stops at a time, and resolves to it after the last term", async () => {
  const { steering, stream, ended } = steered();
  const stopping = stream.stop(T, ASKED);
  assert.deepEqual([steering.until, steering.isStopping, ended], [T, false, ["term"]]);
  await assert.rejects(stream.pause(PAUSE), /about to stop/);
  await assert.rejects(stream.stop("now", ASKED), /already/);
  steering.stopped();
  assert.equal(await stopping, T);
});

Deno.test("Steering goes on without an end after a stop was cancelled, or failed", async () => {
  const [one, other] = [steered(), steered()];
  const cancelled = assert.rejects(one.stream.stop(T, ASKED), /cancelled/);
  one.request.abort(new Error("cancelled"));
  await cancelled;
  const failed = assert.rejects(other.stream.stop(T, ASKED), /too old/);
  assert.ok(other.steering.failStop(new Error("too old")));
  await failed;
  for (const { steering, ended } of [one, other]) {
    assert.deepEqual([steering.until, ended], [undefined, ["term", "term"]]);
    assert.equal(steering.failStop(new Error("another")), false);
  }
});

Deno.test("Steering ends the wait for a pause with the relay, which may end before it has begun", async () => {
  const { stream, request, state } = steered();
  const pausing = assert.rejects(stream.pause(PAUSE), /the relay ends/);
  request.abort(new Error("the relay ends"));
  await pausing;
  assert.equal(state.paused, JSON.stringify(PAUSE));
});

Deno.test("Steering resumes before history is lost, also after MongoDB was away", async () => {
  const reach = { oldest: T.t * 1_000 - 1, window: 3_600_000, isGrowing: false, fullWindow: 3_600_000 };
  const answers = [() => Promise.reject(new Error("no primary")), () => Promise.resolve(reach)];
  const { steering, clock, state, betweenTerms } = steered(JSON.stringify(PAUSE), {
    oplog: () => answers.shift()?.() ?? assert.fail("it is resumed"),
  });
  state.token = BSON.ByteUtils.toHex(BSON.serialize({ _data: `82${T.t.toString(16)}00000003` }));
  const waiting = betweenTerms();
  while (clock.waits === 0) await new Promise((resolve) => setTimeout(resolve));
  assert.ok(steering.isPaused);
  clock.pass(1_000);
  await waiting;
  assert.equal(steering.isPaused, false);
});

for (const isResumed of [false, true]) {
  const what = isResumed ? "keeps a stop that began before this start" : "gives up a stop";
  Deno.test(`Steering ${what} if its time is over before the last term`, async () => {
    const { steering, stream, betweenTerms } = steered(null, { timeNow: () => Promise.resolve(AFTER_T) });
    const stopping = stream.stop(T, { isResumed });
    const ended = isResumed ? undefined : assert.rejects(stopping, /was over before/);
    await betweenTerms();
    await ended;
    assert.equal(steering.until, isResumed ? T : undefined);
    steering.stopped();
    if (isResumed) await stopping;
  });
}
