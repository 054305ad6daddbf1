import assert from "node:assert/strict";
import {
  GRACE_MS,
  type LoopState,
  nextStep,
  type Step,
  STREAM_TURN_MS,
} from "../../../../lib/pipeline/loop/next_step.ts";

const NOW = 1_000_000;

const FOLLOWING: LoopState = {
  isStopping: false,
  batch: "awaited",
  hasToken: true,
  snapshotPending: false,
  snapshotIsOver: false,
  snapshotResumesAt: 0,
  isReady: true,
  refreshDueAt: Infinity,
  saveDueAt: Infinity,
  isStreamBusy: false,
  isComplete: false,
  streamTurnEnds: 0,
  awaitedSince: NOW,
};
const OPENING: LoopState = { ...FOLLOWING, hasToken: false, isReady: false };
const SNAPSHOT: LoopState = { ...FOLLOWING, isReady: false, snapshotPending: true };

const wait = (milliseconds: number): Step => ({ kind: "wait", milliseconds });
const step = (kind: Exclude<Step["kind"], "wait">): Step => ({ kind });

const CASES: Readonly<Record<string, readonly [LoopState, Step]>> = {
  "opening waits for the first batch": [OPENING, wait(Infinity)],
  "opening applies the first batch": [{ ...OPENING, batch: "there" }, step("apply")],
  "opening takes no snapshot before the first token": [
    { ...OPENING, snapshotPending: true },
    wait(Infinity),
  ],
  "the snapshot has its turn": [SNAPSHOT, step("takeSnapshotSlice")],
  "the stream has its turn after a slice": [
    { ...SNAPSHOT, batch: "there", streamTurnEnds: NOW + STREAM_TURN_MS },
    step("apply"),
  ],
  "the stream's turn ends, whatever waits": [
    { ...SNAPSHOT, batch: "there", streamTurnEnds: NOW },
    step("takeSnapshotSlice"),
  ],
  "a busy stream's next batch is waited for within its turn": [
    { ...SNAPSHOT, isStreamBusy: true, streamTurnEnds: NOW + STREAM_TURN_MS, awaitedSince: NOW - 20 },
    wait(GRACE_MS - 20),
  ],
  "a quiet stream yields its turn": [
    { ...SNAPSHOT, isStreamBusy: true, streamTurnEnds: NOW + STREAM_TURN_MS, awaitedSince: NOW - GRACE_MS },
    step("takeSnapshotSlice"),
  ],
  "an idle stream is not waited for": [
    { ...SNAPSHOT, streamTurnEnds: NOW + STREAM_TURN_MS },
    step("takeSnapshotSlice"),
  ],
  "the stream has its turn while the snapshot's rate allows nothing": [
    { ...SNAPSHOT, batch: "there", snapshotResumesAt: NOW + 100 },
    step("apply"),
  ],
  "the rate is waited for": [{ ...SNAPSHOT, snapshotResumesAt: NOW + 100 }, wait(100)],
  "the stream is flushed in a pause while the rate is waited for": [
    { ...SNAPSHOT, refreshDueAt: NOW, snapshotResumesAt: NOW + 100 },
    step("refresh"),
  ],
  "the rate is waited for no longer than it takes": [
    { ...SNAPSHOT, refreshDueAt: NOW + 9, snapshotResumesAt: NOW + 3 },
    wait(3),
  ],
  "the snapshot has its turn as soon as the rate allows it": [
    { ...SNAPSHOT, snapshotResumesAt: NOW },
    step("takeSnapshotSlice"),
  ],
  "a snapshot ends that has nothing left to read, whatever waits": [
    {
      ...SNAPSHOT,
      snapshotPending: false,
      snapshotIsOver: true,
      batch: "there",
      refreshDueAt: NOW,
      saveDueAt: NOW,
    },
    step("endSnapshot"),
  ],
  "a snapshot of a collection that was requeued ends, too": [
    { ...FOLLOWING, snapshotIsOver: true },
    step("endSnapshot"),
  ],
  "the end of the snapshot is emitted before the next batch": [
    { ...FOLLOWING, isReady: false, batch: "there" },
    step("becomeReady"),
  ],
  "following applies what comes": [
    { ...FOLLOWING, batch: "there", refreshDueAt: NOW + 1, saveDueAt: NOW + 1 },
    step("apply"),
  ],
  "following waits when all is visible and saved": [FOLLOWING, wait(Infinity)],
  "following waits until a refresh is due": [
    { ...FOLLOWING, refreshDueAt: NOW + 4, saveDueAt: NOW + 9 },
    wait(4),
  ],
  "following waits until a save is due": [{ ...FOLLOWING, saveDueAt: NOW + 9 }, wait(9)],
  "rows are made visible when it is due, whatever waits": [
    { ...FOLLOWING, batch: "there", refreshDueAt: NOW, saveDueAt: NOW },
    step("refresh"),
  ],
  "the position is saved when it is due, whatever waits": [
    { ...FOLLOWING, batch: "there", saveDueAt: NOW },
    step("save"),
  ],
  "rows are made visible during a snapshot": [
    { ...SNAPSHOT, refreshDueAt: NOW },
    step("refresh"),
  ],
  "following takes a snapshot of a collection that was requeued": [
    { ...FOLLOWING, snapshotPending: true },
    step("takeSnapshotSlice"),
  ],
  "a snapshot that was all that was wanted ends the relay": [
    { ...FOLLOWING, isComplete: true, batch: "there" },
    step("stop"),
  ],
  "its end is told first": [{ ...FOLLOWING, isComplete: true, isReady: false }, step("becomeReady")],
};

for (const [what, [state, expected]] of Object.entries(CASES)) {
  Deno.test(`nextStep(): ${what}`, () => assert.deepEqual(nextStep(state, NOW), expected));
}

for (const [phase, state] of Object.entries({ OPENING, SNAPSHOT, FOLLOWING })) {
  Deno.test(`nextStep() stops in the phase ${phase} when the stream has ended`, () => {
    for (const refreshDueAt of [NOW, Infinity]) {
      assert.deepEqual(nextStep({ ...state, batch: "none", refreshDueAt }, NOW), step("stop"));
    }
  });
}

for (const [phase, state] of Object.entries({ OPENING, SNAPSHOT, FOLLOWING })) {
  Deno.test(`nextStep() only waits for the end of the stream in the phase ${phase} when it is stopping`, () => {
    for (const streamTurnEnds of [NOW, NOW + STREAM_TURN_MS]) {
      const stopping: LoopState = { ...state, isStopping: true, streamTurnEnds };
      assert.deepEqual(nextStep(stopping, NOW), wait(Infinity));
      assert.deepEqual(nextStep({ ...stopping, batch: "there" }, NOW), step("apply"));
    }
  });
}
