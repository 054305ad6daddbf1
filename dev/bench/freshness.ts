/** The time from an insert until a query returns its row. */
import { setTimeout as delay } from "node:timers/promises";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { quoteTable } from "../../lib/sink/sql/names.ts";
import type { Bed, Place } from "./bed.ts";
import { makeDocument } from "./documents.ts";
import type { Task } from "./measure.ts";
import { percentiles, type Sample, sample } from "./sample.ts";
import { query } from "./visible.ts";

/** Between two queries for new rows, which also keep the table's shards active. */
const QUERY_INTERVAL_MS = 5;
const SEEN_TIMEOUT_MS = 60_000;
/** Inserted before, so that the table and its columns exist. */
const FIRST_ROWS = 100;
/** At higher rates, the inserts of 10 ms are one command. */
const SINGLE_RATE = 100;

/** @param rate inserts a second */
export async function freshness({ bed, contender, seconds }: Task, rate: number): Promise<Sample> {
  await using place = await contender.place();
  await using running = contender.start(place);
  await contender.following(running, place);
  await using watch = await watchRows(bed, place);
  await place.collection.insertMany(documentsFrom(1, FIRST_ROWS));
  await watch.seen(FIRST_ROWS);
  const changes = Math.round(rate * seconds);
  const sent = new Map<number, number>();
  const insert = async (first: number, count: number) => {
    const documents = documentsFrom(first, count);
    const now = performance.now();
    for (let at = 0; at < count; at++) sent.set(first + at, now);
    await place.collection.insertMany(documents);
  };
  const work = async () => {
    await insertSteadily(rate, changes, insert);
    await watch.seen(FIRST_ROWS + changes);
    return changes;
  };
  const taken = await sample(work, bed, running.pid);
  await running.kill();
  const delays = sent.entries().map(([serial, before]) => (watch.times.get(serial) ?? NaN) - before);
  return { ...taken, delay: percentiles(delays) };
}

const documentsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, at) => makeDocument("small", first + at));

/** Inserts at a steady rate, without waiting for one insert before the next. */
async function insertSteadily(
  rate: number,
  changes: number,
  insert: (first: number, count: number) => Promise<unknown>,
): Promise<void> {
  const bulk = Math.max(1, Math.round(rate / SINGLE_RATE));
  const started = performance.now();
  const inserts: Promise<unknown>[] = [];
  for (let done = 0; done < changes; done += bulk) {
    const early = started + done / rate * 1_000 - performance.now();
    if (early > 0) await delay(early);
    inserts.push(insert(FIRST_ROWS + done + 1, Math.min(bulk, changes - done)));
  }
  await Promise.all(inserts);
}

/** Queries new rows continuously, over its own connection. */
async function watchRows({ cratedbUrl }: Bed, { table }: Place) {
  const transport = await openTransport(parseSinkUrl(cratedbUrl));
  const times = new Map<number, number>();
  let stopped = false;
  /** All rows up to this one are visible. */
  let complete = 0;
  const watching = (async () => {
    while (!stopped) {
      const sql = `SELECT data['seq'] FROM ${quoteTable(table)} WHERE data['seq'] > ${complete}`;
      const rows = await query(transport, sql);
      const now = performance.now();
      for (const [seq] of rows) if (!times.has(Number(seq))) times.set(Number(seq), now);
      while (times.has(complete + 1)) complete++;
      await delay(QUERY_INTERVAL_MS);
    }
  })();
  return {
    /** When a query first returned each serial number. */
    times,
    /** Resolves when all rows up to this serial number are visible. */
    async seen(serial: number) {
      const end = performance.now() + SEEN_TIMEOUT_MS;
      while (complete < serial) {
        if (performance.now() > end) throw new Error(`Row ${complete + 1} was not visible within a minute`);
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
