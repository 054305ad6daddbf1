import assert from "node:assert/strict";
import { endOfPause, leastHeadroom, type Pause } from "../../../../lib/pipeline/control/pause.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = 100 * HOUR;
const PAUSE: Pause = { since: NOW, reason: "moving", resumeAt: null, resume: "auto" };

Deno.test("leastHeadroom() is an hour, at least a tenth and at most half of the window", () => {
  const windows = [24 * HOUR, 5 * HOUR, 30 * MINUTE];
  assert.deepEqual(windows.map(leastHeadroom), [2.4 * HOUR, HOUR, 15 * MINUTE]);
});

/** The oplog of a day; the position has this headroom. */
const oplog = (headroom: number, isGrowing = false) => ({
  now: NOW,
  position: NOW - 24 * HOUR + headroom,
  oplog: {
    ...{ oldest: NOW - 24 * HOUR, window: 24 * HOUR, isGrowing },
    ...!isGrowing && { fullWindow: 24 * HOUR },
  },
});

/** The same, and this window of it, which is so many times as long once it is full. */
const growing = (times: number, headroom: number, window = 24 * HOUR) => ({
  now: NOW,
  position: NOW - window + headroom,
  oplog: { oldest: NOW - window, window, isGrowing: true, fullWindow: times * window },
});

/** The oplog of a day, of which MongoDB keeps so many hours. */
const kept = (hours: number, headroom: number) => {
  const context = oplog(headroom);
  return { ...context, oplog: { ...context.oplog, fullWindow: hours * HOUR } };
};

for (
  const [what, pause, context, ends] of [
    ["while much headroom is left", {}, oplog(3 * HOUR), undefined],
    ["before MongoDB drops the changes", {}, oplog(2 * HOUR), true],
    ["when MongoDB has dropped them", {}, oplog(-HOUR), true],
    ["while the oplog has dropped nothing, and its size is unknown", {}, oplog(0, true), undefined],
    ["while the oplog has dropped nothing, and is half full", {}, growing(2, HOUR), undefined],
    ["before an oplog that has dropped nothing is full", {}, growing(1.05, HOUR), true],
    ["while MongoDB keeps the changes for a minimum time", {}, kept(72, 0), undefined],
    ["before the minimum time is over", {}, kept(30, 0), undefined],
    ["when the minimum time is nearly over", {}, kept(26, 0), true],
    ["of a small oplog in time", {}, growing(1.4, 0, MINUTE), true],
    ["if the oplog is unknown", {}, { ...oplog(0), oplog: undefined }, undefined],
    ["if the position is unknown", {}, { ...oplog(0), position: undefined }, undefined],
    ["with resume never, but warns", { resume: "never" }, oplog(2 * HOUR), false],
    ["before its end", { resumeAt: NOW + 1 }, oplog(3 * HOUR), undefined],
    ["at its end", { resumeAt: NOW, resume: "never" }, oplog(3 * HOUR), true],
  ] as const
) {
  Deno.test(`endOfPause() ${ends ? "resumes" : "does not resume"} ${what}`, () => {
    assert.equal(endOfPause({ ...PAUSE, ...pause }, context)?.resumes, ends);
  });
}
