/** What a relay reports while a database is silent or fails, whatever it was doing. */
import assert from "node:assert/strict";
import { type RelayInMemory, relayInMemory, SECOND } from "../../../support/relay_in_memory.ts";

/** What the relay does when a database falls silent. */
const ACTIVITIES: Readonly<Record<string, (relay: RelayInMemory) => void>> = {
  "idle": () => {},
  "a batch is applied": (relay) => relay.change("a"),
  "documents are looked up": (relay) => relay.change("a", "update"),
  "a collection is dropped": (relay) => relay.drop("b"),
};

for (const system of ["MongoDB", "CrateDB"] as const) {
  for (const [activity, begin] of Object.entries(ACTIVITIES)) {
    Deno.test(`a silent ${system} shows within --max-lag and two seconds, ${activity}`, async () => {
      await using relay = relayInMemory({ collections: { a: 3, b: 2 } });
      await relay.pass(5 * SECOND);
      assert.deepEqual(relay.ready, { isReady: true, why: "following, 0 s behind" });
      const database = system === "MongoDB" ? relay.mongodb : relay.cratedb;
      database.become("is silent");
      begin(relay);
      // MAX_LAG is 3 s.
      await relay.pass(5 * SECOND);
      const { lag } = relay.status.current;
      assert.ok(lag !== null && lag > 3 * SECOND, String(lag));
      assert.equal(relay.ready.isReady, false);
      await relay.pass(5 * SECOND);
      const { phase, lastError, lag: later } = relay.status.current;
      assert.equal(phase, `waiting for ${system}`);
      assert.match(lastError ?? "", /^no answer for \d+ s$/);
      assert.ok((later ?? 0) >= 8 * SECOND, String(later));
      assert.match(await relay.metrics.text(), new RegExp(`cdc_relay_outage\\{system="${system}"\\} 1`));
      database.become("answers");
      await relay.pass(2 * SECOND);
      assert.deepEqual(relay.ready, { isReady: true, why: "following, 0 s behind" });
      assert.deepEqual(relay.reported.slice(-2), [`${system} is away`, `${system} is back`]);
    });
  }
}

Deno.test("a single connection that falls silent shows, though CrateDB answers everything else", async () => {
  await using relay = relayInMemory();
  await relay.pass(5 * SECOND);
  relay.cratedb.become("is silent", "save");
  relay.change("a");
  await relay.pass(10 * SECOND);
  assert.equal(relay.status.current.phase, "waiting for CrateDB");
  assert.equal(relay.ready.isReady, false);
  relay.cratedb.become("answers");
  await relay.pass(2 * SECOND);
  assert.equal(relay.status.current.phase, "following");
});

Deno.test("cdc_position shows a silent MongoDB as soon as the lag and the phase change", async () => {
  await using relay = relayInMemory();
  await relay.pass(5 * SECOND);
  relay.mongodb.become("is silent");
  await relay.pass(5 * SECOND);
  const { phase, lag_ms } = relay.row;
  assert.ok(phase !== "following" && Number(lag_ms) > 3 * SECOND, `${phase} ${lag_ms}`);
  await relay.pass(3 * SECOND);
  assert.equal(relay.row.phase, "waiting for MongoDB");
  relay.mongodb.become("answers");
  await relay.pass(3 * SECOND);
  assert.deepEqual([relay.row.phase, relay.row.lag_ms], ["following", 0]);
});

Deno.test("an idle relay asks CrateDB about once a second, and does not write to it", async () => {
  await using relay = relayInMemory();
  await relay.pass(5 * SECOND);
  relay.mongodb.become("is silent");
  await relay.pass(SECOND);
  relay.cratedb.asked.length = 0;
  await relay.pass(60 * SECOND);
  const asked = relay.cratedb.asked.filter((each) => each === "ping").length;
  assert.ok(asked > 20 && asked <= 60, String(asked));
});

Deno.test("a relay whose own process was paused reports no silent database", async () => {
  await using relay = relayInMemory();
  await relay.pass(5 * SECOND);
  relay.clock.pass(60 * SECOND);
  relay.heartbeat.beat();
  await relay.pass(SECOND);
  assert.ok(!relay.reported.some((each) => each.endsWith("is away")));
});
