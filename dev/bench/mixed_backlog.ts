/** Inserts, updates, replacements and deletes; a quarter of them change a few hot keys. */
import { type AnyBulkWriteOperation, BSON } from "mongodb";
import { idOf, makeDocument } from "./documents.ts";
import type { Outcome } from "./visible.ts";

export interface MixedBacklog {
  readonly bulks: readonly (readonly AnyBulkWriteOperation[])[];
  readonly outcome: Outcome;
}

const HOT_KEYS = 100;
/** Changes of a bulk, ordered by kind, so that the driver sends few commands. */
const DELETES = 100;
const HOT_UPDATES = 250;
const UPDATES = 100;
const REPLACEMENTS = 150;
const INSERTS = 400;
const BULK = DELETES + HOT_UPDATES + UPDATES + REPLACEMENTS + INSERTS;

/**
 * Returns changes of a collection with the documents 1 to `rows`, at least two thousand.
 *
 * @example IN: 100000 → OUT: {bulks: 100 of 1000 operations, outcome: {changes: 100000, rows: 130000, …}}
 */
export function mixedBacklog(rows: number): MixedBacklog {
  const seqs = new Map(Array.from({ length: rows }, (_, at) => [at + 1, at + 1]));
  let inserted = rows;
  let deleted = HOT_KEYS;
  let seq = rows;
  /** Returns a key that is neither hot nor deleted. */
  const cold = (step: number) => deleted + 1 + (Math.imul(step, 0x9e3779b1) >>> 0) % (inserted - deleted);
  const set = (serial: number) => {
    seqs.set(serial, ++seq);
    return seq;
  };
  const many = <T>(count: number, make: (at: number) => T): T[] =>
    Array.from({ length: count }, (_, at) => make(at));
  const update = (serial: number): AnyBulkWriteOperation => ({
    updateOne: {
      filter: { _id: idOf(serial) },
      update: { $set: { seq: set(serial), "data.temperature": new BSON.Double(seq % 4_000 / 100) } },
    },
  });
  const bulk = (): AnyBulkWriteOperation[] => [
    ...many(DELETES, () => {
      seqs.delete(++deleted);
      return { deleteOne: { filter: { _id: idOf(deleted) } } };
    }),
    ...many(HOT_UPDATES, (at) => update(at % HOT_KEYS + 1)),
    ...many(UPDATES, (at) => update(cold(seq + at))),
    ...many(REPLACEMENTS, (at) => {
      const serial = cold(seq + at);
      const replacement = { ...makeDocument("small", serial), seq: set(serial) };
      return { replaceOne: { filter: { _id: idOf(serial) }, replacement } };
    }),
    ...many(INSERTS, () => {
      const document = { ...makeDocument("small", ++inserted), seq: set(inserted) };
      return { insertOne: { document } };
    }),
  ];
  const bulks = many(Math.max(1, Math.round(rows / BULK)), bulk);
  const sum = seqs.values().reduce((sum, each) => sum + each, 0);
  return { bulks, outcome: { changes: bulks.length * BULK, rows: seqs.size, sum, last: seq } };
}
