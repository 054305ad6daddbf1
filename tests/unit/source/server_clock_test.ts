import assert from "node:assert/strict";
import type { CausalReader } from "../../../lib/source/causal_reader.ts";
import { serverClock } from "../../../lib/source/server_clock.ts";

const ASKED_AT = 1_000_000;
const ROUND_TRIP_MS = 200;

/** A server that tells its time, and this machine's clock, which moves while it is asked. */
function given(localTime: Date | undefined) {
  let now = ASKED_AT;
  const read = () => {
    now += ROUND_TRIP_MS;
    return Promise.resolve({ localTime });
  };
  return { reader: { read } as unknown as CausalReader, clock: { now: () => now } };
}

const CASES = [
  ["ahead", new Date(ASKED_AT + ROUND_TRIP_MS / 2 + 90_000), 90_000],
  ["behind", new Date(ASKED_AT + ROUND_TRIP_MS / 2 - 90_000), -90_000],
  ["untold", undefined, 0],
] as const;

for (const [what, localTime, difference] of CASES) {
  Deno.test(`serverClock() of a server whose clock is ${what}`, async () => {
    const { reader, clock } = given(localTime);
    const { now } = await serverClock(reader, clock);
    assert.equal(now(), clock.now() + difference);
  });
}
