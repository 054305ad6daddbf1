import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { advanceOf, ageOf } from "../../../../lib/pipeline/status/stream_lag.ts";

const SECONDS = 1_800_000_000;
const NOW = SECONDS * 1_000;

/** A token of a time in seconds. */
const tokenOf = (seconds: number) => BSON.serialize({ _data: `82${seconds.toString(16)}00000001` });
const batch = { events: 3, token: tokenOf(SECONDS), operationTime: undefined, wallTime: undefined };
const answeredAt = (t: number, i = 1) => ({
  ...batch,
  events: 0,
  operationTime: new BSON.Timestamp({ t, i }),
});

Deno.test("ageOf() goes by the wall time, else by the seconds of the token, and is never 0", () => {
  assert.equal(ageOf({ ...batch, wallTime: NOW - 250 }, NOW), 250);
  assert.equal(ageOf({ ...batch, token: tokenOf(SECONDS - 2) }, NOW), 2_000);
  assert.equal(ageOf({ ...batch, wallTime: NOW + 250 }, NOW), 1);
  assert.equal(ageOf({ ...batch, wallTime: NOW - 250 }, NOW + 0.7), 251);
  assert.equal(ageOf({ ...batch, token: BSON.serialize({ _data: "other" }) }, NOW), null);
});

const at = (now: number, before: number | null = null) => ({ now, before });

Deno.test("advanceOf() a batch with events is as late as its newest one", () => {
  assert.deepEqual(advanceOf({ ...batch, wallTime: NOW - 20 }, at(NOW)), { clusterTime: NOW - 20, lag: 20 });
});

Deno.test("advanceOf() an empty batch has no lag, however old the last change is", () => {
  assert.deepEqual(advanceOf(answeredAt(SECONDS), at(NOW + 3_600_000)), { clusterTime: NOW, lag: 0 });
  assert.equal(advanceOf(answeredAt(SECONDS + 1), at(NOW)).lag, 0);
  assert.equal(advanceOf({ ...batch, events: 0 }, at(NOW)).lag, 0);
});

Deno.test("advanceOf() an empty batch amid a long oplog is as late as its token", () => {
  assert.equal(advanceOf(answeredAt(SECONDS + 600), at(NOW)).lag, 600_000);
});

Deno.test("advanceOf() does not go back from milliseconds to the second of a token", () => {
  assert.equal(advanceOf(answeredAt(SECONDS), at(NOW, NOW + 250)).clusterTime, NOW + 250);
  const other = { ...answeredAt(SECONDS), token: BSON.serialize({ _data: "other" }) };
  assert.equal(advanceOf(other, at(NOW, NOW + 250)).clusterTime, NOW + 250);
});
