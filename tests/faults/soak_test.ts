/**
 * Two relays write to one table, while they and the servers are killed, frozen and stopped in turns. It runs
 * when it is asked for: `ROUNDS=50 RANDOM_SEED=1 deno test -A tests/faults/soak_test.ts`, with `--filter moving` for
 * one design of the table.
 */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { BSON, type Document } from "mongodb";
import { raw } from "../support/raw_bson.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { parsePartitionBy } from "../../lib/mapping/partition.ts";
import { CRATEDB } from "../../lib/sink/sql/dialect.ts";
import { IS_LIVE } from "../../lib/sink/table/cdc_column.ts";
import { tableDefinition, type TableDesign } from "../../lib/sink/table/table_design.ts";
import { inStep, live } from "../support/compare.ts";
import { type FaultContext, faultTest } from "../support/cratedb_harness.ts";
import type { Running } from "../support/program.ts";
import { placesInTable, placesOfDocuments } from "../support/places.ts";
import { randomDocuments, randomUpdate, randomValues, SEED, withId } from "../support/random_documents.ts";
import { rawCommand } from "../support/raw_command.ts";

const ROUNDS = Number(Deno.env.get("ROUNDS") ?? 0);
/** Documents of each collection in a round. */
const SIZE = 50;
/** Longer than the lease. */
const OUTAGE = 2_500;
const COLLECTIONS = ["data", "more"] as const;

type Name = typeof COLLECTIONS[number];

/** The field that moves rows. */
const BY = "month=at";

const TABLES: Readonly<Record<string, Partial<TableDesign>>> = {
  plain: {},
  moving: { partitionBy: parsePartitionBy(BY) },
  "soft deleted": { deletes: "soft", metadata: "on" },
  "moving and soft deleted": { partitionBy: parsePartitionBy(BY), deletes: "soft", metadata: "on" },
};

class Soak {
  readonly context: FaultContext;
  readonly design: Partial<TableDesign>;
  readonly relays = new Map<Name, Running>();
  readonly #documents = randomDocuments(ROUNDS * SIZE, { repeats: false });
  readonly #values = randomValues(ROUNDS * SIZE, { repeats: false });

  /** Keys of all documents that there were. */
  readonly #oids = new Set<string>();

  constructor(context: FaultContext, design: Partial<TableDesign>) {
    this.context = context;
    this.design = design;
  }

  /** Creates a table with few columns. */
  async createTable(): Promise<void> {
    const design = {
      ...this.design,
      columns: "typed",
      shards: 1,
      with: { "mapping.total_fields.limit": 300 },
    };
    const { sql, table } = this.context;
    await sql(`CREATE TABLE "${table}" ${tableDefinition(CRATEDB, design as TableDesign)}`);
  }

  start(name: Name): Running {
    const flags = ["--collection", name, "--lease", "2s", "--batch-size", "40", "--refresh-interval", "50ms"];
    const { partitionBy, deletes = "hard", metadata = "off" } = this.design;
    flags.push("--deletes", deletes, "--metadata", metadata);
    if (partitionBy) flags.push("--partition-by", BY);
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
      ids.map((n) => ({ _id: `more ${n}`, n: NUMBERS[n % NUMBERS.length], a: { n }, serial: n }) as never),
    );
    const updates = this.#values.slice(from, to).map((value, at) =>
      randomUpdate(raw.int32((from + at) * 7 % to), value, at)
    );
    assert.deepEqual(await rawCommand(db, "update", updates), []);
    await more.updateMany({ "a.n": { $mod: [5, round % 5] } }, {
      $set: { "a.n": round, b: [round, `${round}`] },
    });
    for (const name of COLLECTIONS) {
      for await (const { _id } of db.collection(name).find({}, { projection: { _id: 1 } })) {
        this.#oids.add(String(_id));
      }
    }
    if (this.design.partitionBy) await this.#move(round);
    await db.collection<{ _id: number }>("data").deleteMany({ _id: { $mod: [17, round] } });
    await more.deleteMany({ "a.n": { $mod: [13, round] } });
  }

  /** Sets another time in some documents, removes it from others, and inserts some again with another one. */
  async #move(round: number): Promise<void> {
    const { mongodb, database } = this.context;
    const data = mongodb.db(database).collection<{ _id: number }>("data");
    const more = mongodb.db(database).collection<Document>("more");
    const at = new Date(Date.UTC(1969, 11 + round % 4, 15));
    await data.updateMany({ _id: { $mod: [3, round % 3] } }, { $set: { at } });
    await data.updateMany({ _id: { $mod: [7, round % 7] } }, { $unset: { at: 1 } });
    for (const days of [40, 80]) {
      const later = new Date(at.getTime() + days * 86_400_000);
      await more.updateMany({ serial: { $mod: [3, round % 3] } }, { $set: { at: later } });
    }
    const again = await more.find({ serial: { $mod: [5, round % 5] } }).toArray();
    await more.deleteMany({ _id: { $in: again.map(({ _id }) => _id) } });
    await more.insertMany(again.map((document) => ({ ...document, at })));
  }

  /** Resolves when the table equals the collections, each document has one row, and rows of deleted ones are marked. */
  async inStep(): Promise<void> {
    const { context, design: { partitionBy, deletes } } = this;
    const isSoft = deletes === "soft";
    const options = { collections: COLLECTIONS, timeout: 90_000, interval: 250 };
    await inStep(isSoft ? live(context) : context, options);
    const where = isSoft ? IS_LIVE : "TRUE";
    const of = async (collections: readonly string[]) => await placesOfDocuments(context, BY, collections);
    await eventually(async () => {
      if (partitionBy) assert.deepEqual(await placesInTable(context, { where }), await of(COLLECTIONS));
      const twice = `SELECT oid, count(*) FROM "${context.table}" GROUP BY oid HAVING count(*) > 1`;
      assert.deepEqual(await context.sql(twice), []);
      if (!isSoft) return;
      const existing = new Set((await of(COLLECTIONS)).map((place) => place.replace(/ in [^ ]+$/, "")));
      const marked = await context.sql(`SELECT oid FROM "${context.table}" WHERE NOT (${IS_LIVE})`);
      const oids = marked.map(({ oid }) => String(oid)).sort();
      assert.deepEqual(oids, [...this.#oids.difference(existing)].sort());
    }, options);
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

for (const [name, design] of Object.entries(TABLES)) {
  const title = `relays of a ${name} table lose nothing in ${ROUNDS} rounds of faults (RANDOM_SEED=${SEED})`;
  soakTest(title, async (context) => {
    const soak = new Soak(context, design);
    await soak.createTable();
    for (const name of COLLECTIONS) await soak.start(name).waitForLine(/Ready/);
    for (let round = 0; round < ROUNDS; round++) {
      const [what = "", fault] = FAULTS[(SEED + round) % FAULTS.length] ?? [];
      const loading = soak.load(round);
      await fault?.(soak, round, loading);
      await loading;
      await soak.inStep().catch((error) => {
        const logs = [...soak.relays].map(([name, { stderr }]) => `${name}:\n${stderr.join("\n")}`);
        throw new Error(`round ${round}, ${what}\n${logs.join("\n")}`, { cause: error });
      });
    }
    for (const running of soak.relays.values()) assert.equal((await running.kill()).code, 0);
    assert.deepEqual(await context.sql("SELECT oid, error FROM cdc_dead_letter"), []);
  });
}
