/** A short load: operations a second, and the time from a write until a query returns its row. */
import { generate } from "../../lib/workload/workload.ts";
import type { Screen } from "./screen.ts";
import type { Sides } from "./sides.ts";

const LOAD = "load";
const MIX = { insert: 70, update: 20, replace: 5, delete: 5 };
const BULK_OPERATIONS = 1_000;
const PROBES = 20;

export async function showLoad(count: number, sides: Sides, screen: Screen): Promise<void> {
  screen.note(`Writing ${number(count)} operations, then ${PROBES} single ones …`);
  const collection = sides.collection(LOAD);
  /** Inserts a document. @returns milliseconds until a query returns its row */
  const probe = async (_id: string): Promise<number> => {
    await collection.insertOne({ _id });
    const written = performance.now();
    await sides.until(async () => await sides.row(LOAD, _id) !== undefined, "The row of a document");
    return performance.now() - written;
  };
  const seed = Math.floor(Math.random() * 2 ** 32);
  const operations = Array.from(generate({ count, mix: MIX, seed }), ({ write }) => write);
  const started = performance.now();
  for (let at = 0; at < count; at += BULK_OPERATIONS) {
    // Unordered, inserts go first and deletes last: fewer commands, the same result.
    const options = { ordered: false, writeConcern: { w: 1 } };
    await collection.bulkWrite(operations.slice(at, at + BULK_OPERATIONS) as never, options);
  }
  const lag = await probe("last");
  const rate = count / (performance.now() - started) * 1_000;
  const times: number[] = [];
  for (let serial = 0; serial < PROBES; serial++) times.push(await probe(`single write ${serial}`));
  times.sort((one, other) => one - other);
  const mix = Object.entries(MIX).map(([operation, weight]) => `${weight} % ${operation}`).join(", ");
  screen.print(
    "",
    `${screen.strong("Load")}: ${number(count)} operations (${mix})`,
    `  rate       ${number(rate)} operations a second, written by one client and replicated by the relay`,
    `  lag        ${number(lag)} ms from the end of the writes to the last row`,
    `  freshness  ${number(times[PROBES / 2] ?? 0)} ms from a write to its row, ` +
      `the slowest of ${PROBES} single writes ${number(times.at(-1) ?? 0)} ms`,
  );
}

const number = (value: number): string => Math.round(value).toLocaleString("en");
