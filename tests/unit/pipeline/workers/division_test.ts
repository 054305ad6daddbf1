import assert from "node:assert/strict";
import {
  type DivisionDeps,
  isDividedOtherwise,
  takeOverDivision,
} from "../../../../lib/pipeline/workers/division.ts";
import { fullSnapshot, parseSnapshotState } from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import type { SavedState } from "../../../../lib/sink/metadata/stream_position.ts";
import { UserError } from "../../../../lib/util/errors.ts";
import { QUIET } from "../../../../lib/util/log.ts";

const NEW: SavedState = { token: null, snapshot: null, origin: null, barrier: null, paused: null };

interface Given {
  readonly others?: readonly string[];
  readonly state?: SavedState;
  /** How long one of the others stays alive, in milliseconds. */
  readonly aliveUntil?: number;
  readonly onHeld?: DivisionDeps["settings"]["onHeld"];
}

async function taken({ others = [], state = NEW, aliveUntil = 0, onHeld = "fail" }: Given) {
  const done: string[] = [];
  let time = 0;
  await takeOverDivision({
    streams: {
      others: () => Promise.resolve(others),
      held: ([first]) => Promise.resolve(time < aliveUntil ? first : undefined),
      inherit: (streams) => Promise.resolve(void done.push(`inherit ${streams}`)),
      forget: (streams) => Promise.resolve(void done.push(`forget ${streams}`)),
    },
    position: {
      stream: "s (worker 0/3)",
      state,
      save: ({ snapshot }) => Promise.resolve(void done.push(`save ${snapshot}`)),
    },
    settings: { lease: 10_000, onHeld },
    signal: new AbortController().signal,
    log: QUIET,
    clock: { now: () => time, monotonic: () => time, wait: (ms) => Promise.resolve(void (time += ms)) },
  });
  return done;
}

const OTHERS = ["s (worker 0/2)", "s (worker 1/2)"];

Deno.test("takeOverDivision() does nothing if the stream was never divided in another way", async () =>
  assert.deepEqual(await taken({}), []));

Deno.test("takeOverDivision() plans a snapshot that deletes stale rows, and forgets the others", async () => {
  const [inherit, save = "", forget, ...rest] = await taken({ others: OTHERS });
  assert.deepEqual([inherit, forget, rest], [`inherit ${OTHERS}`, `forget ${OTHERS}`, []]);
  assert.deepEqual(parseSnapshotState(save.replace("save ", "")), fullSnapshot({ removesStale: true }));
});

for (const state of [{ ...NEW, token: "82" }, { ...NEW, snapshot: "{}" }]) {
  Deno.test(`takeOverDivision() resumes its own position: ${JSON.stringify(state)}`, async () =>
    assert.deepEqual(await taken({ others: OTHERS, state }), [`forget ${OTHERS}`]));
}

Deno.test("takeOverDivision() waits until the lease of a dead relay expires", async () =>
  assert.equal((await taken({ others: OTHERS, aliveUntil: 10_000 })).length, 3));

Deno.test("takeOverDivision() refuses to write beside a live relay, and changes nothing", async () => {
  await assert.rejects(taken({ others: OTHERS, aliveUntil: Infinity }), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /divided in another way: s \(worker 0\/2\)/);
    return true;
  });
});

Deno.test("takeOverDivision() is on standby while others are alive", async () =>
  assert.equal((await taken({ others: OTHERS, aliveUntil: 60_000, onHeld: "wait" })).length, 3));

Deno.test("isDividedOtherwise() is true of another number of parts of the same stream", () => {
  assert.ok(isDividedOtherwise("s (worker 0/2)", "s (worker 0/3)"));
  assert.ok(isDividedOtherwise("s", "s (worker 0/1)"));
  assert.ok(!isDividedOtherwise("s (worker 0/2)", "s (worker 1/2)"));
  assert.ok(!isDividedOtherwise("other (worker 0/3)", "s (worker 0/2)"));
});
