/** A short load: operations a second, and the time from a write until a query returns its row. */
import { BSON } from "mongodb";
import { generate } from "../../lib/workload/workload.ts";
import type { Screen } from "./screen.ts";
import type { Sides } from "./sides.ts";

export interface ShowLoadOptions {
  readonly sides: Sides;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly count: number;
}

const LOAD = "load";
const MIX = { insert: 70, update: 20, replace: 5, delete: 5 };
const BULK_OPERATIONS = 1_000;
const PROBES = 20;

export async function showLoad({ sides, screen, signal, count }: ShowLoadOptions): Promise<void> {
  screen.note(`Writing ${number(count)} operations, then ${PROBES} single ones …`);
  const { rate, lag } = await load(sides, { signal, count });
  const freshness = await probe(sides);
  const mix = Object.entries(MIX).map(([operation, weight]) => `${weight} % ${operation}`).join(", ");
  screen.print(
    "",
    `${screen.strong("Load")}: ${number(count)} operations (${mix})`,
    `  rate       ${number(rate)} operations a second, written by one client and replicated by the relay`,
    `  lag        ${number(lag)} ms from the end of the writes to the last row`,
    `  freshness  ${number(freshness.median)} ms from a write to its row, ` +
      `the slowest of ${PROBES} single writes ${number(freshness.slowest)} ms`,
  );
}

async function load(sides: Sides, { signal, count }: Pick<ShowLoadOptions, "signal" | "count">) {
  const collection = sides.collection(LOAD);
  const seed = Math.floor(Math.random() * 2 ** 32);
  const operations = Array.from(generate({ count, mix: MIX, seed }), ({ write }) => write);
  const started = performance.now();
  for (let at = 0; at < count; at += BULK_OPERATIONS) {
    signal.throwIfAborted();
    await collection.bulkWrite(operations.slice(at, at + BULK_OPERATIONS) as never, {
      // Inserts go first and deletes last: fewer commands, the same result.
      ordered: false,
      writeConcern: { w: 1 },
    });
  }
  await collection.insertOne({ _id: "last" });
  const written = performance.now();
  await sides.until(async () => await sides.row(LOAD, "last") !== undefined, "The last row of the load");
  const seen = performance.now();
  return { rate: count / (seen - started) * 1_000, lag: seen - written };
}

/** Single writes, one after the other. */
async function probe(sides: Sides) {
  const times: number[] = [];
  for (let serial = 0; serial < PROBES; serial++) {
    const _id = `single write ${serial}`;
    await sides.collection(LOAD).insertOne({ _id, serial: new BSON.Int32(serial) });
    const written = performance.now();
    await sides.until(async () => await sides.row(LOAD, _id) !== undefined, "The row of a single write");
    times.push(performance.now() - written);
  }
  times.sort((one, other) => one - other);
  return { median: times[PROBES / 2] ?? 0, slowest: times.at(-1) ?? 0 };
}

const number = (value: number): string => Math.round(value).toLocaleString("en");
