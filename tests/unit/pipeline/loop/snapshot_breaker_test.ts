import assert from "node:assert/strict";
import { snapshotBreaker } from "../../../../lib/pipeline/loop/follow.ts";
import { UserError } from "../../../../lib/util/errors.ts";

const TOOK_SECONDS = 100;

/** What happened after history was lost: a snapshot was done or not, and was followed for so many seconds. */
type Turn = { readonly done: boolean; readonly followedSeconds: number };

const NEVER_DONE: Turn = { done: false, followedSeconds: 1_000 };
const SHORT: Turn = { done: true, followedSeconds: TOOK_SECONDS };
const LONG: Turn = { done: true, followedSeconds: TOOK_SECONDS + 1 };

/** @returns how often history could be lost before the relay stopped; undefined if it did not stop */
function lossesUntilStop(turns: readonly Turn[]): number | undefined {
  let now = 1_000_000;
  const breaker = snapshotBreaker({ monotonic: () => now });
  for (const [at, { done, followedSeconds }] of turns.entries()) {
    if (done) breaker.listen({ type: "snapshotDone", documents: 1, seconds: TOOK_SECONDS });
    now += followedSeconds * 1_000;
    try {
      breaker.historyLost();
    } catch (error) {
      assert.ok(error instanceof UserError);
      return at;
    }
  }
  return undefined;
}

const CASES: Readonly<Record<string, readonly [turns: readonly Turn[], stops: number | undefined]>> = {
  "snapshots that are never done": [[LONG, NEVER_DONE, NEVER_DONE, NEVER_DONE, NEVER_DONE], 3],
  "snapshots that are followed for too short": [[LONG, SHORT, SHORT, SHORT, SHORT], 3],
  "snapshots of both kinds": [[SHORT, NEVER_DONE, SHORT, NEVER_DONE], 3],
  "a snapshot that was followed for long in between": [[SHORT, SHORT, SHORT, LONG, SHORT, SHORT], undefined],
  "snapshots that were each followed for long": [[LONG, LONG, LONG, LONG, LONG, LONG], undefined],
};

for (const [what, [turns, stops]] of Object.entries(CASES)) {
  Deno.test(`snapshotBreaker() with ${what}`, () => assert.equal(lossesUntilStop(turns), stops));
}
