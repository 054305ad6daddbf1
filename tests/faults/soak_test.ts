/**
 * Two relays write to one table, while they and the servers are killed, frozen and stopped in turns. It runs
 * when it is asked for: `ROUNDS=50 RANDOM_SEED=1 deno test -A tests/faults/soak_test.ts`.
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { BSON, type Document } from "mongodb";
import { raw } from "../support/raw_bson.ts";
import { inStep } from "../support/compare.ts";
import { type FaultContext, faultTest } from "../support/cratedb_harness.ts";
import type { Running } from "../../dev/process/program.ts";
import { randomDocuments, randomUpdate, randomValues, SEED, withId } from "../support/random_documents.ts";
import { rawCommand } from "../support/raw_command.ts";

const ROUNDS = Number(Deno.env.get("ROUNDS") ?? 0);
/** Documents of each collection in a round. */
const SIZE = 50;
/** Longer than the lease. */
const OUTAGE = 2_500;
const COLLECTIONS = ["data", "more"] as const;

type Name = typeof COLLECTIONS[number];

class Soak {
  readonly context: FaultContext;
  readonly relays = new Map<Name, Running>();
  readonly #documents = randomDocuments(ROUNDS * SIZE, { repeats: false });
  readonly #values = randomValues(ROUNDS * SIZE, { repeats: false });

  constructor(context: FaultContext) {
    this.context = context;
  }

  start(name: Name): Running {
    const flags = ["--collection", name, "--lease", "2s", "--batch-size", "40", "--refresh-interval", "50ms"];
    const running = this.context.relay(flags, { transport: name === "data" ? "http" : "wire" });
    this.relays.set(name, running);
    return running;
  }

  /** A relay of a round. */
  of(round: number): [Name, Running] {
    const name = COLLECTIONS[round % 2] ?? "data";
    const running = this.relays.get(name);
    assert.ok(running);
    return [name, running];
  }

  /** Random documents in one collection; in the other, values that no column takes all of. */
  async load(round: number): Promise<void> {
    const { mongodb, database } = this.context;
    const db = mongodb.db(database);
    const [from, to] = [round * SIZE, (round + 1) * SIZE];
    const ids = Array.from({ length: SIZE }, (_, at) => from + at);
    const documents = this.#documents.slice(from, to).map((document, at) =>
      withId(raw.int32(from + at), document)
    );
    assert.deepEqual(await rawCommand(db, "insert", documents), []);
    const more = db.collection<Document>("more");
    await more.insertMany(
      ids.map((n) => ({ _id: `more ${n}`, n: NUMBERS[n % NUMBERS.length], a: { n } }) as never),
    );
    const updates = this.#values.slice(from, to).map((value, at) =>
      randomUpdate(raw.int32((from + at) * 7 % to), value, at)
    );
    assert.deepEqual(await rawCommand(db, "update", updates), []);
    await more.updateMany({ "a.n": { $mod: [5, round % 5] } }, {
      $set: { "a.n": round, b: [round, `${round}`] },
    });
    await db.collection<{ _id: number }>("data").deleteMany({ _id: { $mod: [17, round] } });
    await more.deleteMany({ "a.n": { $mod: [13, round] } });
  }
}

const NUMBERS = [1, 20.5, "three", BSON.Long.MAX_VALUE, null, { x: 1 }, [1, "x"]];

type Fault = (soak: Soak, round: number, loading: Promise<void>) => Promise<void>;

/** MongoDB gets all writes before its outage. */
const outage = (server: "mongodbServer" | "cratedbServer", fault: "kill" | "pause"): Fault => {
  return async ({ context }, _, loading) => {
    if (server === "mongodbServer") await loading;
    await context[server][fault]();
    await delay(OUTAGE);
    await context[server].restore();
  };
};

const FAULTS: readonly (readonly [string, Fault])[] = [
  ["kill of CrateDB", outage("cratedbServer", "kill")],
  ["kill of a relay", async (soak, round) => {
    const [name, running] = soak.of(round);
    await running.kill("SIGKILL");
    soak.start(name);
  }],
  ["pause of MongoDB", outage("mongodbServer", "pause")],
  ["freeze of a relay", async (soak, round) => {
    const [name, running] = soak.of(round);
    Deno.kill(running.pid, "SIGSTOP");
    await soak.start(name).waitForLine(/Resuming from the saved position/);
    Deno.kill(running.pid, "SIGCONT");
    assert.equal((await running.status).code, 1, running.stderr.join("\n"));
  }],
  ["pause of CrateDB", outage("cratedbServer", "pause")],
  ["stop of a relay", async (soak, round) => {
    const [name, running] = soak.of(round);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    soak.start(name);
  }],
  ["kill of MongoDB", outage("mongodbServer", "kill")],
];

const soakTest = ROUNDS > 0 ? faultTest : () => {};

soakTest(`relays lose nothing in ${ROUNDS} rounds of faults (RANDOM_SEED=${SEED})`, async (context) => {
  const { sql, table } = context;
  await sql(
    `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED)) ` +
      'CLUSTERED INTO 1 SHARDS WITH ("mapping.total_fields.limit" = 300)',
  );
  const soak = new Soak(context);
  for (const name of COLLECTIONS) await soak.start(name).waitForLine(/Ready/);
  for (let round = 0; round < ROUNDS; round++) {
    const [what = "", fault] = FAULTS[(SEED + round) % FAULTS.length] ?? [];
    const loading = soak.load(round);
    await fault?.(soak, round, loading);
    await loading;
    await inStep(context, { collections: COLLECTIONS, timeout: 90_000, interval: 250 }).catch((error) => {
      const logs = [...soak.relays].map(([name, { stderr }]) => `${name}:\n${stderr.join("\n")}`);
      throw new Error(`round ${round}, ${what}\n${logs.join("\n")}`, { cause: error });
    });
  }
  for (const running of soak.relays.values()) assert.equal((await running.kill()).code, 0);
  assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);
});
