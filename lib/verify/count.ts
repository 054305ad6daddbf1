/** Compares the numbers of documents and rows. Different counts prove a difference; equal counts prove little. */
import type { Document } from "mongodb";
import type { CausalReader } from "../source/connection/causal_reader.ts";
import type { Namespace } from "../util/namespace.ts";
import type { CollectionResult, Passing } from "./result.ts";

export interface CountDeps {
  /** Counts the documents that the transform keeps. */
  readonly documents: () => Promise<number>;
  readonly rows: () => Promise<number>;
  readonly deadLetters: () => Promise<number>;
  /** Waits until the relay has passed everything that was read from MongoDB. */
  readonly pass: () => Promise<Passing>;
  /** Maximum number of counts. */
  readonly generations: number;
}

type Counted = Pick<
  CollectionResult,
  "documents" | "rows" | "deadLetters" | "missing" | "extra" | "changing" | "relay"
>;

/** Counts documents before and after the rows, until both counts of documents are equal. */
export async function count(
  { documents, rows, deadLetters, pass, generations }: CountDeps,
): Promise<Counted> {
  for (let generation = 1;; generation++) {
    const before = await documents();
    const relay = await pass();
    const counted = { documents: before, rows: await rows(), deadLetters: await deadLetters(), relay };
    const isSteady = await documents() === before || relay !== "passed";
    if (!isSteady && generation < generations) continue;
    const lacking = before - counted.rows - counted.deadLetters;
    return {
      ...counted,
      missing: isSteady ? Math.max(0, lacking) : 0,
      extra: isSteady ? Math.max(0, -lacking) : 0,
      changing: isSteady ? 0 : Math.abs(lacking),
    };
  }
}

export async function countDocuments(
  causalReader: CausalReader,
  { database, collection }: Namespace,
  transform: readonly Document[],
): Promise<number> {
  const pipeline = [...transform, { $group: { _id: null, documents: { $sum: 1 } } }];
  const [counted] = await causalReader.read(
    (client, options) =>
      client.db(database).collection(collection).aggregate<Document>(pipeline, {
        ...options,
        readConcern: { level: "majority" },
        ...transform.length === 0 && { hint: { _id: 1 } },
      }).toArray(),
    { isLong: true },
  );
  return Number(counted?.documents ?? 0);
}
