/** The lines of the benchmark: what is written, and what the table has in the end. */
import type { Collection } from "mongodb";
import { makeDocument, SCALES, type Shape } from "./documents.ts";
import { mixedBacklog } from "./mixed_backlog.ts";
import type { Outcome } from "./visible.ts";

/** How the sink is given the rows of a line ready-made. */
export type ReadyMade = "new keys" | "again" | "deletes";

/** Changes that wait for the relay when it starts. */
export interface BacklogLine {
  readonly kind: "backlog";
  readonly title: string;
  readonly shape: Shape;
  readonly readyMade: ReadyMade;
  /** Rows that the table has before, of so many changes. */
  readonly rowsBefore: (changes: number) => number;
  readonly write: (collection: Collection, changes: number) => Promise<Outcome>;
}

/** The time from an insert to its row, at a steady rate. */
export interface FreshnessLine {
  readonly kind: "freshness";
  readonly title: string;
  /** Inserts a second. */
  readonly rates: readonly number[];
}

/** Documents that are there before the start. */
export interface SnapshotLine {
  readonly kind: "snapshot";
  readonly title: string;
  readonly shape: Shape;
}

/** Inserts as fast as MongoDB takes them, of documents that are followed already. */
export interface LiveLine {
  readonly kind: "live";
  readonly title: string;
  readonly shape: Shape;
}

/** Documents and rows that are compared. */
export interface VerificationLine {
  readonly kind: "verification";
  readonly title: string;
  readonly shape: Shape;
}

export type Line = BacklogLine | SnapshotLine | LiveLine | FreshnessLine | VerificationLine;

export const LINES = {
  inserts: inserts("small", "inserts"),
  updates: {
    kind: "backlog",
    title: "updates",
    shape: "small",
    readyMade: "again",
    rowsBefore: (changes) => changes,
    async write(collection, changes) {
      await collection.updateMany({}, { $inc: { seq: changes } });
      return { changes, rows: changes, sum: sumTo(changes) + changes ** 2, last: 2 * changes };
    },
  },
  deletes: {
    kind: "backlog",
    title: "deletes",
    shape: "small",
    readyMade: "deletes",
    rowsBefore: (changes) => changes,
    async write(collection, changes) {
      await collection.deleteMany({});
      return { changes, rows: 0, sum: 0, last: undefined };
    },
  },
  mixed: {
    kind: "backlog",
    title: "mixed, with hot keys",
    shape: "small",
    readyMade: "again",
    rowsBefore: (changes) => changes,
    async write(collection, changes) {
      const { bulks, outcome } = mixedBacklog(changes);
      for (const bulk of bulks) await collection.bulkWrite([...bulk]);
      return outcome;
    },
  },
  wide: inserts("wide", "inserts of 200 fields"),
  large: inserts("large", "inserts of 100 kB"),
  snapshot: { kind: "snapshot", title: "snapshot", shape: "small" },
  "snapshot-wide": { kind: "snapshot", title: "snapshot of 200 fields", shape: "wide" },
  verify: { kind: "verification", title: "verify", shape: "small" },
  live: { kind: "live", title: "inserts while it follows", shape: "small" },
  freshness: { kind: "freshness", title: "fresh", rates: [10, 100, 1_000, 5_000] },
} as const satisfies Readonly<Record<string, Line>>;

export type LineName = keyof typeof LINES;

function inserts(shape: Shape, title: string): BacklogLine {
  return {
    kind: "backlog",
    title,
    shape,
    readyMade: "new keys",
    rowsBefore: () => 0,
    write: (collection, changes) => insertDocuments(collection, { shape, count: changes }),
  };
}

/** Inserts the documents 1, 2, … of a shape. */
export async function insertDocuments(
  collection: Collection,
  { shape, count }: { readonly shape: Shape; readonly count: number },
): Promise<Outcome> {
  const { bulk } = SCALES[shape];
  for (let first = 1; first <= count; first += bulk) {
    const length = Math.min(bulk, count - first + 1);
    await collection.insertMany(Array.from({ length }, (_, at) => makeDocument(shape, first + at)));
  }
  return { changes: count, rows: count, sum: sumTo(count), last: count };
}

const sumTo = (last: number): number => last * (last + 1) / 2;
