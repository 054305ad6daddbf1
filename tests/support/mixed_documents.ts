/** Documents whose `_id`s are of many BSON types, and a load of changes on them. */
import { setTimeout as delay } from "node:timers/promises";
import { type AnyBulkWriteOperation, BSON, type Collection, type Document } from "mongodb";

const digits = (n: number, length: number): string => n.toString(16).padStart(length, "0");

/** Types of `_id` that any number of documents can have. */
const MANY: Readonly<Record<string, (n: number) => unknown>> = {
  objectId: (n) => new BSON.ObjectId(digits(n, 24)),
  int: (n) => new BSON.Int32(n - 5_000),
  long: (n) => BSON.Long.fromBigInt(2n ** 60n + BigInt(n)),
  double: (n) => new BSON.Double(n + 0.5),
  decimal: (n) => BSON.Decimal128.fromString(`${n}.1`),
  string: (n) => `key ${n}`,
  digits: (n) => String(n),
  uuid: (n) => new BSON.UUID(digits(n, 32)),
  binary: (n) => new BSON.Binary(new Uint8Array([n >> 16, n >> 8, n])),
  compound: (n) => ({ region: `r${n % 7}`, at: { n: new BSON.Int32(n) } }),
  timestamp: (n) => new BSON.Timestamp({ t: n, i: n % 3 }),
  date: (n) => new Date(n * 1_000 - 10_000_000),
};

/** The rest: at most one document of each. */
const SINGLE: readonly unknown[] = [
  null,
  true,
  false,
  new BSON.MinKey(),
  new BSON.MaxKey(),
  new BSON.Double(NaN),
  new BSON.Double(-Infinity),
  BSON.Decimal128.fromString("Infinity"),
  "",
  {},
];

export interface Mixed extends Document {
  readonly _id: unknown;
  readonly n: number;
  readonly v: number;
}

/** The nth `_id`: types alternate. */
export function mixedId(n: number): unknown {
  if (n < SINGLE.length) return SINGLE[n];
  const kinds = Object.values(MANY);
  return kinds[n % kinds.length]?.(n);
}

export const mixed = (n: number): Mixed => ({ _id: mixedId(n), n, v: 0, text: `document ${n}` });

export async function insertMixed(collection: Collection<Mixed>, count: number, start = 0): Promise<void> {
  for (let at = start; at < start + count; at += 5_000) {
    const length = Math.min(5_000, start + count - at);
    const documents = Array.from({ length }, (_, index) => mixed(at + index));
    // The driver would give a document another `_id` in place of null.
    for (const { _id, ...rest } of documents.filter(({ _id }) => _id === null)) {
      await collection.updateOne({ _id: null } as never, { $set: rest as never }, { upsert: true });
    }
    await collection.insertMany(documents.filter(({ _id }) => _id !== null) as never);
  }
}

export interface LoadOptions {
  /** Documents in the collection at the start. */
  readonly count: number;
  readonly signal: AbortSignal;
  /** Operations in one go. @default 100 */
  readonly bulk?: number;
  /** Between two goes, in milliseconds. @default 20 */
  readonly pause?: number;
  /** Operations at most, so that a relay on a slow machine catches up soon. @default 4_000 */
  readonly most?: number;
}

/**
 * Inserts, updates, replaces and deletes anywhere in the collection until the signal is aborted or `most` is reached.
 * Keys that were deleted may be inserted again.
 *
 * @returns the number of operations
 */
export async function mixedLoad(collection: Collection<Mixed>, options: LoadOptions): Promise<number> {
  const { signal, bulk = 100, pause = 20, most = 4_000 } = options;
  let [count, done] = [options.count, 0];
  const some = () => ({ _id: mixedId(Math.floor(Math.random() * count)) }) as never;
  const operation = (): AnyBulkWriteOperation<Mixed> => {
    const drawn = Math.random();
    const v = Math.floor(Math.random() * 1_000);
    if (drawn < 0.3) return { updateOne: { filter: some(), update: { $set: { v } } } };
    if (drawn < 0.5) {
      return {
        replaceOne: { filter: some(), replacement: { n: v, v, replaced: true }, upsert: drawn < 0.35 },
      };
    }
    if (drawn < 0.75) return { deleteOne: { filter: some() } };
    return { insertOne: { document: mixed(count++) as never } };
  };
  while (!signal.aborted && done < most) {
    await collection.bulkWrite(Array.from({ length: bulk }, operation), { ordered: false });
    done += bulk;
    await delay(pause, undefined, { signal }).catch(() => {});
  }
  return done;
}
