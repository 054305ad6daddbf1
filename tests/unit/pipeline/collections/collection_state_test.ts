import assert from "node:assert/strict";
import { fc } from "../../../deps.ts";
import {
  type CollectionState,
  isSkipped,
  nextState,
  type StateChange,
} from "../../../../lib/pipeline/collections/collection_state.ts";

const STATES: readonly CollectionState[] = [
  { name: "waiting" },
  { name: "snapshot" },
  { name: "following" },
  { name: "paused" },
  { name: "failed", reason: "it is a view" },
];
const PLAIN = [
  "snapshot planned",
  "snapshot begun",
  "snapshot done",
  "snapshot cancelled",
  "followed without snapshot",
  "resumed",
  "usable again",
  "dropped",
] as const;
const CHANGES: readonly StateChange[] = [
  ...PLAIN.map((what) => ({ what })),
  { what: "paused", reason: "maintenance" },
  { what: "failed", reason: "no room", hint: "Make room" },
];

/** The names of the next states, in the order of `STATES`. */
const NEXT: Readonly<Record<StateChange["what"], string>> = {
  "snapshot planned": "waiting waiting waiting paused failed",
  "snapshot begun": "snapshot snapshot following paused failed",
  "snapshot done": "waiting following following paused failed",
  "snapshot cancelled": "following following following paused failed",
  "followed without snapshot": "following snapshot following paused failed",
  resumed: "waiting snapshot following waiting failed",
  "usable again": "waiting snapshot following paused waiting",
  dropped: "waiting waiting waiting waiting waiting",
  paused: "paused paused paused paused paused",
  failed: "failed failed failed paused failed",
};

for (const change of CHANGES) {
  Deno.test(`nextState() after "${change.what}"`, () =>
    assert.equal(STATES.map((state) => nextState(state, change).name).join(" "), NEXT[change.what]));
}

Deno.test("nextState() returns the same object if nothing changes", () => {
  const failed: CollectionState = { name: "failed", reason: "no room", hint: "Make room" };
  assert.equal(nextState(failed, { what: "failed", reason: "no room", hint: "Make room" }), failed);
  assert.notEqual(nextState(failed, { what: "failed", reason: "it is a view" }), failed);
  const [waiting] = STATES;
  assert.equal(waiting && nextState(waiting, { what: "snapshot planned" }), waiting);
});

Deno.test("nextState() keeps reason and hint of a failure, and the reason of a pause", () => {
  const [state = { name: "waiting" }] = STATES;
  assert.deepEqual(nextState(state, { what: "failed", reason: "no room", hint: "Make room" }), {
    name: "failed",
    reason: "no room",
    hint: "Make room",
  });
  assert.deepEqual(nextState(state, { what: "paused", reason: "maintenance" }), {
    name: "paused",
    reason: "maintenance",
  });
});

Deno.test("nextState(): a skipped collection follows again only after a whole snapshot", () =>
  fc.assert(fc.property(fc.array(fc.constantFrom(...CHANGES), { maxLength: 30 }), (changes) => {
    let state: CollectionState = { name: "paused" };
    const since: string[] = [];
    for (const change of changes) {
      const next = nextState(state, change);
      if (isSkipped(next)) since.length = 0;
      else if (next !== state) since.push(next.name);
      // A dropped collection has no rows that it could miss. A request is cancelled only if nothing else needs its snapshot.
      if (["dropped", "followed without snapshot", "snapshot cancelled"].includes(change.what)) return;
      if (next.name === "following") assert.deepEqual(since.slice(-2), ["snapshot", "following"]);
      state = next;
    }
  })));
