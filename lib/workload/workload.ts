/** `db-workload`: writes example data. */
import { setTimeout as delay } from "node:timers/promises";
import { type AnyBulkWriteOperation, BSON, type Document } from "mongodb";
import { closeMongodb, connectMongodb } from "../source/connection/mongodb.ts";
import { hasCode, MongodbCode } from "../source/connection/mongodb_errors.ts";
import { UserError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { type Mix, NONE, type Operation } from "./mix.ts";

export interface WorkloadSettings {
  readonly mongodbUrl: string;
  readonly database: string;
  readonly collection: string;
  readonly count: number;
  /** Operations per second; 0 for no limit. */
  readonly rate: number;
  readonly mix: Mix;
  readonly seed: number;
}

const BULK_OPERATIONS = 1_000;

const exampleRecord = (): Document => ({
  id: "5F9E",
  data: { temperature: new BSON.Double(42.42), humidity: new BSON.Double(84.84) },
  meta: { timestamp: new Date("2024-07-12T01:17:42+02:00"), device: "foo" },
});

/** Overrides the URL, so that only confirmed writes are reported. */
const CONFIRMED = { w: 1 };

/**
 * By default inserts the example record and prints its id. With a count, makes that many operations of the mix, which
 * the seed alone determines, ids included.
 */
export async function workload(
  config: WorkloadSettings,
  { signal, log, print }: { signal: AbortSignal; log: Logger; print: (text: string) => void },
): Promise<void> {
  await using closing = new AsyncDisposableStack();
  const client = closing.adopt(await connectMongodb(config.mongodbUrl), closeMongodb);
  const collection = client.db(config.database).collection(config.collection);
  if (config.count === 1) {
    const { insertedId } = await collection.insertOne(exampleRecord(), { writeConcern: CONFIRMED });
    print(`${insertedId}`);
    return;
  }
  const started = Date.now();
  const counts = { ...NONE };
  const bulk = Math.min(BULK_OPERATIONS, Math.max(1, Math.floor((config.rate || Infinity) / 10)));
  let done = 0;
  let operations: AnyBulkWriteOperation[] = [];
  for (const { operation, write } of generate(config)) {
    operations.push(write);
    counts[operation]++;
    if (++done % bulk !== 0 && done !== config.count) continue;
    await collection.bulkWrite(operations, { ordered: true, writeConcern: CONFIRMED }).catch((error) => {
      if (!hasCode(error, MongodbCode.DuplicateKey)) throw error;
      throw new UserError(
        `The collection has records of this seed already: current value is ${config.seed}`,
        { hint: "Use another --seed, or drop the collection first.", cause: error },
      );
    });
    operations = [];
    if (signal.aborted) break;
    const ahead = config.rate > 0 ? started + done / config.rate * 1_000 - Date.now() : 0;
    if (ahead > 0) await delay(ahead, undefined, { signal }).catch(() => {});
  }
  const seconds = (Date.now() - started) / 1_000;
  const speed = { duration_s: seconds, rate_per_s: Math.round(done / seconds) };
  log.info("Workload done", { ...counts, seed: config.seed, ...speed });
}

/** The operations that a seed determines. */
export function* generate(
  { count, mix, seed }: Pick<WorkloadSettings, "count" | "mix" | "seed">,
): Generator<{ readonly operation: Operation; readonly write: AnyBulkWriteOperation }> {
  const random = mulberry32(seed);
  const total = Object.values(mix).reduce((sum, weight) => sum + weight, 0);
  const alive: number[] = [];
  for (let serial = 0; serial < count; serial++) {
    const drawn = alive.length === 0 ? "insert" : draw(mix, random() * total);
    const at = Math.floor(random() * alive.length);
    const target = alive[at] ?? serial;
    if (drawn === "insert") alive.push(serial);
    if (drawn === "delete") {
      alive[at] = alive.at(-1) ?? 0;
      alive.pop();
    }
    const id = idOf(seed, drawn === "insert" ? serial : target);
    yield { operation: drawn, write: writeOf(drawn, id, random) };
  }
}

function writeOf(operation: Operation, _id: BSON.ObjectId, random: () => number): AnyBulkWriteOperation {
  const filter = { _id };
  if (operation === "insert") return { insertOne: { document: { _id, ...reading(random) } } };
  if (operation === "replace") return { replaceOne: { filter, replacement: reading(random) } };
  if (operation === "delete") return { deleteOne: { filter } };
  return { updateOne: { filter, update: { $set: { "data.temperature": temperature(random) } } } };
}

const temperature = (random: () => number) => new BSON.Double(Math.round(random() * 4_000) / 100);

const reading = (random: () => number): Document => ({
  id: Math.floor(random() * 2 ** 16).toString(16).toUpperCase().padStart(4, "0"),
  data: { temperature: temperature(random), humidity: new BSON.Double(Math.round(random() * 10_000) / 100) },
  meta: { timestamp: new Date(1_720_739_862_000 + Math.floor(random() * 1e9)), device: "foo" },
});

function draw(mix: Mix, at: number): Operation {
  for (const [operation, weight] of Object.entries(mix)) {
    if ((at -= weight) < 0) return operation as Operation;
  }
  return "insert";
}

const idOf = (seed: number, serial: number): BSON.ObjectId =>
  new BSON.ObjectId(seed.toString(16).padStart(12, "0").slice(-12) + serial.toString(16).padStart(12, "0"));

/** Generates numbers from 0 to 1, determined by the seed alone. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
