import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { UserError } from "../../../../lib/util/errors.ts";
import {
  hasReached,
  hasReachedEvent,
  savedToken,
  secondsBehind,
  timeOf,
} from "../../../../lib/source/stream/resume_token.ts";

const token = (data: unknown) => BSON.serialize({ _data: data });
const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, "0");
const at = (seconds: number, ordinal: number) =>
  token(`82${hex(seconds)}${hex(ordinal)}2B042C0100296E5A1004`);

const SECONDS = 1_700_000_000;

Deno.test("timeOf() is the operation's time", () => {
  assert.deepEqual(timeOf(at(SECONDS, 5)), new Date("2023-11-14T22:13:20Z"));
  assert.deepEqual(
    timeOf(token(`82${hex(SECONDS).toLowerCase()}00000001`)),
    new Date("2023-11-14T22:13:20Z"),
  );
});

Deno.test("savedToken() is a token's bytes, and says so when they are none", () => {
  const bytes = at(SECONDS, 5);
  assert.deepEqual(savedToken(BSON.ByteUtils.toHex(bytes)), bytes);
  for (const text of ["", "z", "ab", "00000000", "x".repeat(100)]) {
    assert.throws(() => savedToken(text), (error) => {
      assert.ok(error instanceof UserError);
      assert.equal(
        error.message,
        `The position of this stream cannot be read: its token is ${text.slice(0, 40)}`,
      );
      return true;
    });
  }
});

const OTHERS = [token("8100000000"), token("82000000"), token(""), token(7), BSON.serialize({})];

for (const other of OTHERS) {
  Deno.test(`timeOf() is unknown of a token of another form: ${Deno.inspect(BSON.deserialize(other))}`, () => {
    assert.equal(timeOf(other), undefined);
    assert.equal(secondsBehind(other, Date.now()), 0);
    assert.equal(hasReached(other, new BSON.Timestamp({ t: SECONDS, i: 1 })), true);
  });
}

/** Seconds and ordinal of the token, those of the time; whether it is reached. */
const REACHED: readonly (readonly [number, number, number, number, boolean])[] = [
  [SECONDS, 5, SECONDS, 5, true],
  [SECONDS, 5, SECONDS, 4, true],
  [SECONDS, 5, SECONDS, 6, false],
  [SECONDS, 5, SECONDS - 1, 9, true],
  [SECONDS, 5, SECONDS + 1, 1, false],
  [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1, true],
  [SECONDS, 5, 0, 0, true],
];

for (const [seconds, ordinal, t, i, expected] of REACHED) {
  Deno.test(`hasReached() of ${seconds}:${ordinal} and ${t}:${i} is ${expected}`, () =>
    assert.equal(hasReached(at(seconds, ordinal), new BSON.Timestamp({ t, i })), expected));
}

Deno.test("secondsBehind() is never below 0", () => {
  const now = 2_000_000_000;
  assert.equal(secondsBehind(at(now - 90, 1), now * 1_000), 90);
  assert.equal(secondsBehind(at(now + 90, 1), now * 1_000), 0);
});

Deno.test("hasReachedEvent() is true at an event and after it", () => {
  const event = at(SECONDS, 5);
  for (
    const [seconds, ordinal, expected] of [[SECONDS, 4, false], [SECONDS, 5, true], [
      SECONDS + 1,
      1,
      true,
    ]] as const
  ) {
    assert.equal(hasReachedEvent(at(seconds, ordinal), event), expected);
  }
  const beforeAllOfItsTime = token(`82${hex(SECONDS)}${hex(5)}2B0229296E04`);
  assert.ok(!hasReachedEvent(beforeAllOfItsTime, event));
});
