/** The time from an insert to the moment in which a query sees its row. */
import { setTimeout as delay } from "node:timers/promises";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { SinkError } from "../../lib/sink/connection/sink_error.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { quoteTable } from "../../lib/sink/sql/names.ts";
import type { Bed, Place } from "./bed.ts";
import type { Contender } from "./contender.ts";
import { makeDocument } from "./documents.ts";
import { type Percentiles, percentiles } from "./percentiles.ts";
import { type Sample, sample } from "./sample.ts";

export interface FreshnessSample extends Sample {
  /** Milliseconds from before an insert is sent to the answer that has its row. */
  readonly delay: Percentiles | undefined;
  /** Milliseconds that a query for new rows takes. */
  readonly query: Percentiles | undefined;
}

export interface Pace {
  /** Inserts a second. */
  readonly rate: number;
  readonly seconds: number;
}

/** Between two queries for new rows, which also keeps the table's shards from going idle. */
const QUERY_INTERVAL_MS = 5;
const SEEN_TIMEOUT_MS = 60_000;
/** Inserted before, so that the table and its columns are there. */
const FIRST_ROWS = 100;

export async function freshness(
  { rate, seconds }: Pace,
  { bed, contender }: { readonly bed: Bed; readonly contender: Contender },
): Promise<FreshnessSample> {
  await using place = await contender.place();
  await using running = contender.start(place);
  await contender.following(running, place);
  await using watch = await watchRows(bed, place);
  await place.collection.insertMany(documentsFrom(1, FIRST_ROWS));
  await watch.seen(FIRST_ROWS);
  const changes = Math.round(rate * seconds);
  const sent = new Map<number, number>();
  const taken = await sample(async () => {
    await insertSteadily({ rate, changes }, async (first, count) => {
      const serial = FIRST_ROWS + first;
      const documents = documentsFrom(serial, count);
      const now = performance.now();
      for (let at = 0; at < count; at++) sent.set(serial + at, now);
      await place.collection.insertMany(documents);
    });
    await watch.seen(FIRST_ROWS + changes);
    return changes;
  }, { pid: running.pid, cpu: bed.cpu });
  await running.kill("SIGTERM");
  const delays = sent.entries().map(([serial, before]) => (watch.times.get(serial) ?? NaN) - before);
  return { ...taken, delay: percentiles(delays), query: percentiles(watch.queries) };
}

const documentsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, at) => makeDocument("small", first + at));

/** Inserts a second up to which each insert is a command of its own, one in ten milliseconds. */
const SINGLE_RATE = 100;

/** Calls `insert` with the numbers 1, 2, … at a steady rate. It does not wait for one insert before the next. */
async function insertSteadily(
  { rate, changes }: { readonly rate: number; readonly changes: number },
  insert: (first: number, count: number) => Promise<unknown>,
): Promise<void> {
  const bulk = Math.max(1, Math.round(rate / SINGLE_RATE));
  const started = performance.now();
  const inserts: Promise<unknown>[] = [];
  for (let done = 0; done < changes; done += bulk) {
    const early = started + done / rate * 1_000 - performance.now();
    if (early > 0) await delay(early);
    inserts.push(insert(done + 1, Math.min(bulk, changes - done)));
  }
  await Promise.all(inserts);
}

interface Watch extends AsyncDisposable {
  /** When the row of each serial number was seen first. */
  readonly times: ReadonlyMap<number, number>;
  /** Milliseconds that each query took. */
  readonly queries: readonly number[];
  /** Resolves when the rows up to this serial number have been seen. */
  seen(serial: number): Promise<void>;
}

/** Asks for new rows all the time, over a connection of its own. */
async function watchRows(bed: Bed, { table }: Place): Promise<Watch> {
  const transport = await openTransport(parseSinkUrl(bed.sinkUrls.http));
  const times = new Map<number, number>();
  const queries: number[] = [];
  let stopped = false;
  /** All rows up to this one have been seen. */
  let complete = 0;
  const newRows = async () =>
    (await transport.query(`SELECT data['seq'] FROM ${quoteTable(table)} WHERE data['seq'] > ${complete}`))
      .rows;
  const watching = (async () => {
    while (!stopped) {
      const started = performance.now();
      const rows = await newRows().catch((error) => {
        if (!(error instanceof SinkError)) throw error; // The table is still to be made.
        return [];
      });
      const now = performance.now();
      queries.push(now - started);
      for (const [seq] of rows) if (!times.has(Number(seq))) times.set(Number(seq), now);
      while (times.has(complete + 1)) complete++;
      await delay(QUERY_INTERVAL_MS);
    }
  })();
  return {
    times,
    queries,
    async seen(serial) {
      const end = performance.now() + SEEN_TIMEOUT_MS;
      while (complete < serial) {
        if (performance.now() > end) throw new Error(`Row ${complete + 1} was not seen within a minute`);
        await delay(QUERY_INTERVAL_MS);
      }
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await watching;
      await transport[Symbol.asyncDispose]();
    },
  };
}
