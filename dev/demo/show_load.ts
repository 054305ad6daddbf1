/** A short load. Shows how many operations a second go through, and how long it takes until a query sees a write. */
import { BSON } from "mongodb";
import { generate } from "../../lib/workload/workload.ts";
import { poll } from "./poll.ts";
import type { Screen } from "./screen.ts";
import type { Sides } from "./sides.ts";

export interface ShowLoadOptions {
  readonly sides: Sides;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly count: number;
}

/** The collection that it goes to. */
export const LOAD = "load";
const MIX = { insert: 70, update: 20, replace: 5, delete: 5 };
const BULK_OPERATIONS = 1_000;
const PROBES = 20;

export async function showLoad({ sides, screen, signal, count }: ShowLoadOptions): Promise<void> {
  screen.tell(`Writing ${number(count)} operations, then ${PROBES} single ones …`);
  const { rate, behind } = await load(sides, { signal, count });
  const freshness = await probe(sides, { signal });
  screen.print(
    "",
    `${screen.strong("Load")}: ${number(count)} operations (${describeMix()})`,
    `  rate       ${
      number(rate)
    } operations a second, as fast as one client writes them and the relay follows`,
    `  behind     ${number(behind)} ms from the end of the writes to the last row`,
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
      // Inserts go first and deletes last: fewer commands, to the same end.
      ordered: false,
      writeConcern: { w: 1 },
    });
  }
  await collection.insertOne({ _id: "last" });
  const written = performance.now();
  await poll(() => sides.row(LOAD, "last"), { signal, what: "the last row of the load" });
  const seen = performance.now();
  return { rate: count / (seen - started) * 1_000, behind: seen - written };
}

/** Single writes, one after the other. */
async function probe(sides: Sides, { signal }: Pick<ShowLoadOptions, "signal">) {
  const times: number[] = [];
  for (let serial = 0; serial < PROBES; serial++) {
    const _id = `single write ${serial}`;
    await sides.collection(LOAD).insertOne({ _id, serial: new BSON.Int32(serial) });
    const written = performance.now();
    await poll(() => sides.row(LOAD, _id), { signal, what: "the row of a single write" });
    times.push(performance.now() - written);
  }
  times.sort((one, other) => one - other);
  return { median: times[PROBES / 2] ?? 0, slowest: times.at(-1) ?? 0 };
}

const describeMix = (): string =>
  Object.entries(MIX).map(([operation, weight]) => `${weight} % ${operation}`).join(", ");

const number = (value: number): string => Math.round(value).toLocaleString("en");
