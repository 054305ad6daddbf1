/** The lines of the benchmark. */
import type { Collection } from "mongodb";
import type { Shape } from "./documents.ts";
import { freshness } from "./freshness.ts";
import {
  drainBacklog,
  insertDocuments,
  live,
  type Measured,
  snapshot,
  sumTo,
  type Task,
  verification,
} from "./measure.ts";
import { mixedBacklog } from "./mixed_backlog.ts";
import type { Outcome } from "./visible.ts";

export interface Line {
  readonly title: string;
  readonly shape: Shape;
  /** Whether tools other than the relay can run it. */
  readonly anyTool?: boolean;
  readonly measure: (task: Task) => Promise<Measured>;
}

/** Drains changes that were written while the relay was stopped. */
const backlog = (
  title: string,
  write: (collection: Collection, changes: number) => Promise<Outcome>,
): [Line] => [{ title, shape: "small", measure: (task) => drainBacklog(task, { write, hasRows: true }) }];

const inserts = (title: string, shape: Shape): [Line] => [{
  title,
  shape,
  measure: (task) =>
    drainBacklog(task, {
      hasRows: false,
      write: (collection, count) => insertDocuments(collection, { shape, count }),
    }),
}];

export const LINES = {
  inserts: inserts("inserts", "small"),
  updates: backlog("updates", async (collection, changes) => {
    await collection.updateMany({}, { $inc: { seq: changes } });
    return { changes, rows: changes, sum: sumTo(changes) + changes ** 2, last: 2 * changes };
  }),
  deletes: backlog("deletes", async (collection, changes) => {
    await collection.deleteMany({});
    return { changes, rows: 0, sum: 0, last: undefined };
  }),
  mixed: backlog("mixed, with hot keys", async (collection, changes) => {
    const { bulks, outcome } = mixedBacklog(changes);
    for (const bulk of bulks) await collection.bulkWrite([...bulk]);
    return outcome;
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
