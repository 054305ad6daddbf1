/** Whatever happens to the databases, the relay reports what is true, and is well again once they are. */
import assert from "node:assert/strict";
import { fc } from "../deps.ts";
import { type Mood, type RelayInMemory, relayInMemory, SECOND } from "../support/relay_in_memory.ts";

type Action = (relay: RelayInMemory) => unknown;

const COLLECTIONS = { a: 7, b: 3, c: 12 };
const collection = fc.constantFrom(...Object.keys(COLLECTIONS));
const mood: fc.Arbitrary<Mood> = fc.constantFrom("answers", "fails", "is silent", "refuses");
const LOSS = "history lost";
/** After more losses without a pause the relay gives up. */
const MAX_LOSSES = 3;
const question = fc.constantFrom("save", "write", "refresh", "list", "ping", undefined);

/** Each with what it is called, so that a counterexample can be read. */
const action: fc.Arbitrary<readonly [name: string, run: Action]> = fc.oneof(
  collection.map((name) => [`insert ${name}`, (relay: RelayInMemory) => relay.change(name)] as const),
  collection.map((name) =>
    [`update ${name}`, (relay: RelayInMemory) => relay.change(name, "update")] as const
  ),
  collection.map((name) => [`drop ${name}`, (relay: RelayInMemory) => relay.drop(name)] as const),
  fc.tuple(collection, fc.nat(15)).map(([name, count]) =>
    [`drop ${name}, make it again with ${count}`, (relay: RelayInMemory) => relay.drop(name, count)] as const
  ),
  mood.map((next) => [`MongoDB ${next}`, (relay: RelayInMemory) => relay.mongodb.become(next)] as const),
  fc.tuple(mood, question).map(([next, only]) =>
    [`CrateDB ${next} ${only ?? ""}`, (relay: RelayInMemory) => relay.cratedb.become(next, only)] as const
  ),
  fc.constant([LOSS, (relay: RelayInMemory) => loseHistory(relay)] as const),
  fc.integer({ min: 1, max: 20 }).map((seconds) =>
    [`${seconds} s`, (relay: RelayInMemory) => relay.pass(seconds * SECOND)] as const
  ),
);

/** A loop ends only if both sides answer. */
async function loseHistory(relay: RelayInMemory): Promise<void> {
  relay.mongodb.become("answers");
  relay.cratedb.become("answers");
  await relay.loseHistory();
}

/** What holds at any moment. */
function check(relay: RelayInMemory): void {
  const { phase, lag, lastError, snapshotDone, snapshotTotal } = relay.status.current;
  const outages = [relay.cratedb, relay.mongodb].flatMap(({ outages }) => outages.current ?? []);
  assert.equal(phase.startsWith("waiting for "), outages.length > 0, phase);
  assert.equal(lastError === null, outages.length === 0);
  assert.equal(snapshotDone === null, snapshotTotal === null);
  assert.ok(phase !== "snapshot" || snapshotDone !== null);
  if (phase === "following" || phase === "catching up") assert.equal(snapshotDone, null);
  assert.ok(lag === null || phase !== "following" || lag <= 2 * SECOND);
  const { isReady } = relay.ready;
  assert.ok(!isReady || outages.length === 0 && snapshotDone === null);
}

/** Whether beginnings and ends take turns. */
function checkPairs(reported: readonly string[]): void {
  for (const system of ["CrateDB", "MongoDB"]) {
    const turns = reported.filter((each) => each.startsWith(`${system} is`));
    turns.forEach((each, at) => assert.equal(each, `${system} is ${at % 2 === 0 ? "away" : "back"}`));
    assert.equal(turns.length % 2, 0, `${system} is away for ever`);
  }
  const snapshots = reported.filter((each) => each.startsWith("snapshot "));
  assert.ok((snapshots.at(-1) ?? "snapshot done").startsWith("snapshot done"), snapshots.at(-1));
  for (const [at, each] of snapshots.entries()) {
    if (each.startsWith("snapshot done")) assert.ok(!snapshots[at + 1]?.startsWith("snapshot done"));
  }
}

Deno.test("once both sides answer, a relay follows again, is ready, and shows nothing that is over", async () => {
  const property = fc.asyncProperty(
    fc.array(action, { maxLength: 25 }),
    fc.constantFrom(0, 8),
    async (actions, snapshotRate) => {
      await using relay = relayInMemory({ collections: COLLECTIONS, snapshotRate });
      let losses = 0;
      for (const [name, run] of actions) {
        if (name === LOSS && ++losses > MAX_LOSSES) continue;
        await run(relay);
        check(relay);
        await relay.settle();
        check(relay);
      }
      relay.mongodb.become("answers");
      relay.cratedb.become("answers");
      // What was dropped in between is read again at 8 documents a second.
      await relay.pass(120 * SECOND);
      assert.deepEqual(relay.running.ended, undefined);
      assert.deepEqual(relay.ready, { isReady: true, why: "following, 0 s behind" });
      check(relay);
      checkPairs(relay.reported);
      assert.doesNotMatch(
        await relay.metrics.text(),
        /cdc_relay_outage\{.*\} 1|^cdc_relay_snapshot_documents /m,
      );
      assert.deepEqual([relay.row.phase, relay.row.last_error], ["following", null]);
    },
  );
  await fc.assert(property, { numRuns: 150 });
});
