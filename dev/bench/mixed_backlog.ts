/** Inserts, updates, replacements and deletes; a quarter of them change a few hot keys. */
import { type AnyBulkWriteOperation, BSON } from "mongodb";
import { idOf, makeDocument } from "./documents.ts";

const HOT_KEYS = 100;
/** Changes of a bulk, ordered by kind, so that the driver sends few commands. */
const COUNTS = { deletes: 100, hotUpdates: 250, updates: 100, replacements: 150, inserts: 400 };
export const BULK = Object.values(COUNTS).reduce((sum, each) => sum + each);

/**
 * Returns bulks of changes of a collection with the documents 1 to `rows`, at least two thousand. `seq` grows with each
 * change.
 *
 * @example IN: 100000 → OUT: 100 bulks of 1000 operations
 */
export function mixedBacklog(rows: number): AnyBulkWriteOperation[][] {
  let inserted = rows;
  let deleted = HOT_KEYS;
  let seq = rows;
  /** Returns a key that is neither hot nor deleted. */
  const cold = (step: number) => deleted + 1 + (Math.imul(step, 0x9e3779b1) >>> 0) % (inserted - deleted);
  const many = <T>(length: number, make: (at: number) => T): T[] =>
    Array.from({ length }, (_, at) => make(at));
  const update = (serial: number): AnyBulkWriteOperation => {
    const $set = { seq: ++seq, "data.temperature": new BSON.Double(seq % 4_000 / 100) };
    return { updateOne: { filter: { _id: idOf(serial) }, update: { $set } } };
  };
  return many(Math.max(1, Math.round(rows / BULK)), () => [
    ...many(COUNTS.deletes, () => ({ deleteOne: { filter: { _id: idOf(++deleted) } } })),
    ...many(COUNTS.hotUpdates, (at) => update(at % HOT_KEYS + 1)),
    ...many(COUNTS.updates, (at) => update(cold(seq + at))),
    ...many(COUNTS.replacements, (at) => {
      const serial = cold(seq + at);
      const replacement = { ...makeDocument("small", serial), seq: ++seq };
      return { replaceOne: { filter: { _id: idOf(serial) }, replacement } };
    }),
    ...many(COUNTS.inserts, () => ({
      insertOne: { document: { ...makeDocument("small", ++inserted), seq: ++seq } },
    })),
  ]);
}
