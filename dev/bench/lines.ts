import type { Collection } from "mongodb";
import type { Shape } from "./documents.ts";
import { freshness } from "./freshness.ts";
import { drainBacklog, insertDocuments, live, snapshot, type Task, verification } from "./measure.ts";
import { BULK, mixedBacklog } from "./mixed_backlog.ts";
import type { Sample } from "./sample.ts";

export interface Line {
  readonly title: string;
  readonly shape: Shape;
  /** Whether tools other than the relay can run it. */
  readonly anyTool?: boolean;
  /** Of the relay. @default {none} */
  readonly flags?: readonly string[];
  readonly measure: (task: Task) => Promise<Sample>;
}

/** Changes of existing rows, written while the relay is stopped. */
const changes = (
  title: string,
  write: (collection: Collection, count: number) => Promise<number>,
  flags: readonly string[] = [],
): [Line] => [{
  title,
  shape: "small",
  flags,
  measure: (task) => drainBacklog(task, { write, hasRows: true }),
}];

const inserts = (title: string, shape: Shape, flags: readonly string[] = []): [Line] => [{
  title,
  shape,
  flags,
  measure: (task) =>
    drainBacklog(task, {
      hasRows: false,
      write: (collection, count) => insertDocuments(collection, { shape, count }),
    }),
}];

const DAY_MS = 86_400_000;

export const LINES = {
  inserts: inserts("inserts", "small"),
  "inserts-partitioned": inserts("inserts, partitioned", "small", ["--partition-by", "day=$id"]),
  updates: changes(
    "updates",
    async (collection, count) => (await collection.updateMany({}, { $inc: { seq: count } })).modifiedCount,
  ),
  /** Each row moves to the next day. */
  "updates-moving": changes(
    "updates that move rows",
    async (collection, count) => {
      const times = {
        seq: { $add: ["$seq", count] },
        "meta.timestamp": { $add: ["$meta.timestamp", DAY_MS] },
      };
      return (await collection.updateMany({}, [{ $set: times }])).modifiedCount;
    },
    ["--partition-by", "day=meta.timestamp"],
  ),
  deletes: changes("deletes", async (collection) => (await collection.deleteMany({})).deletedCount),
  mixed: changes("mixed, with hot keys", async (collection, count) => {
    const bulks = mixedBacklog(count);
    for (const bulk of bulks) await collection.bulkWrite(bulk);
    return bulks.length * BULK;
  }),
  wide: inserts("inserts of 200 fields", "wide"),
  large: inserts("inserts of 100 kB", "large"),
  snapshot: [{ title: "snapshot", shape: "small", anyTool: true, measure: snapshot }],
  "snapshot-wide": [{ title: "snapshot of 200 fields", shape: "wide", anyTool: true, measure: snapshot }],
  verify: [{ title: "verify", shape: "small", measure: verification }],
  live: [{ title: "inserts while it follows", shape: "small", anyTool: true, measure: live }],
  freshness: [10, 100, 1_000, 5_000].map((rate): Line => ({
    title: `fresh at ${rate.toLocaleString("en")}/s`,
    shape: "small",
    anyTool: rate <= 10,
    measure: (task) => freshness(task, rate),
  })),
} as const satisfies Readonly<Record<string, readonly Line[]>>;

export type LineName = keyof typeof LINES;
