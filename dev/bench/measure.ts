/** Measurements of throughput: a snapshot, changes while following, a backlog, a verification. */
import { setTimeout as delay } from "node:timers/promises";
import type { Collection } from "mongodb";
import { refreshTable } from "../../lib/sink/connection/transport.ts";
import { quoteTable } from "../../lib/sink/sql/names.ts";
import { namespaceText } from "../../lib/util/namespace.ts";
import type { Bed, Place } from "./bed.ts";
import type { Contender } from "./contender.ts";
import { makeDocument, SCALES, type Shape } from "./documents.ts";
import { type Sample, sample } from "./sample.ts";
import { arrived, query, visible } from "./visible.ts";

export interface Task {
  readonly bed: Bed;
  readonly contender: Contender;
  readonly shape: Shape;
  /** Documents or changes. */
  readonly count: number;
  /** Duration of a steady rate. */
  readonly seconds: number;
  /** For the relay. @default {none} */
  readonly flags?: readonly string[] | undefined;
}

/** For tools other than the relay. */
const TOOL_LIMIT_MS = 60_000;
const LAST_LINES = 20;

/** Inserts the documents 1, 2, … of a shape. @returns their number */
export async function insertDocuments(
  collection: Collection,
  { shape, count }: Pick<Task, "shape" | "count">,
): Promise<number> {
  const { bulk } = SCALES[shape];
  for (let first = 1; first <= count; first += bulk) {
    const length = Math.min(bulk, count - first + 1);
    await collection.insertMany(Array.from({ length }, (_, at) => makeDocument(shape, first + at)));
  }
  return count;
}

const arrival = ({ bed, contender, count }: Task, { table }: Place): Promise<number> =>
  arrived(bed.transport, table, count, contender.verify ? undefined : TOOL_LIMIT_MS);

/** From the start of the snapshot, or of the tool's process, to the last row. */
export async function snapshot(task: Task): Promise<Sample> {
  const { bed, contender } = task;
  await using place = await contender.place();
  await insertDocuments(place.collection, task);
  await using running = contender.start(place);
  await contender.reading(running);
  const taken = await sample(() => arrival(task, place), bed, running.pid);
  await running.kill();
  return taken;
}

/** From the first insert to the last row, with inserts as fast as MongoDB accepts them. */
export async function live(task: Task): Promise<Sample> {
  const { bed, contender } = task;
  await using place = await contender.place();
  await using running = contender.start(place);
  await contender.following(running, place);
  const work = async () => {
    const [rows] = await Promise.all([arrival(task, place), insertDocuments(place.collection, task)]);
    return rows;
  };
  const taken = await sample(work, bed, running.pid);
  await running.kill();
  return taken;
}

interface Backlog {
  /** Whether the table has a row for each change before. */
  readonly hasRows: boolean;
  /** @returns the number of changes */
  readonly write: (collection: Collection, count: number) => Promise<number>;
}

/** From the restart of the relay to the last change. */
export async function drainBacklog(task: Task, { hasRows, write }: Backlog): Promise<Sample> {
  const { bed, contender, count } = task;
  await using place = await contender.place();
  await replicate(hasRows ? task : { ...task, count: 0 }, place);
  const changes = await write(place.collection, count);
  await using running = contender.start(place, task.flags);
  await running.waitForLine(/Resuming from the saved position/);
  const work = async () => {
    await visible(bed.transport, place);
    return changes;
  };
  const taken = await sample(work, bed, running.pid);
  await running.kill();
  return taken;
}

/** Inserts documents, and runs the relay until it has replicated them. */
async function replicate(task: Task, place: Place): Promise<void> {
  const { bed: { client }, contender, flags } = task;
  await client.db(place.collection.dbName).createCollection(place.collection.collectionName);
  await insertDocuments(place.collection, task);
  await using running = contender.start(place, flags);
  await contender.following(running, place);
  await running.kill();
}

/** From the start of the comparison to its result. */
export async function verification(task: Task): Promise<Sample> {
  const { bed, contender } = task;
  await using place = await contender.place();
  await replicate(task, place);
  await using running = contender.verify?.(place);
  if (!running) throw new Error(`${contender.name} cannot verify`);
  await running.waitForLine(/Verifying/);
  const ended = running.status.then(() => {
    throw new Error(running.stderr.slice(-LAST_LINES).join("\n"));
  });
  const taken = await sample(() => Promise.race([verified(bed, place), ended]), bed, running.pid);
  await Promise.all([running.kill(), ended.catch(() => {})]);
  return taken;
}

/** @returns the compared documents; 0 if one differs */
async function verified({ transport }: Bed, { collection, table: { schema } }: Place): Promise<number> {
  const results = { schema, name: "cdc_verify" };
  const name = namespaceText({ database: collection.dbName, collection: collection.collectionName });
  const sql = `SELECT outcome, documents FROM ${quoteTable(results)} WHERE collection = '${name}'`;
  for (;;) {
    await refreshTable(transport, results);
    const [row] = await query(transport, sql);
    if (row) return row[0] === "equal" ? Number(row[1]) : 0;
    await delay(50);
  }
}
