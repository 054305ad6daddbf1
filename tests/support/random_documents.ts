/** Random documents as BSON, and changes of them, for collections of many types. */
import { fc } from "../deps.ts";
import { anyDocument, anyValue, documentOf, type Raw, raw, type ValueOptions } from "./raw_bson.ts";

/** The same seed makes the same documents. */
export const SEED = Number(Deno.env.get("RANDOM_SEED") ?? Math.floor(Math.random() * 2 ** 31));

export interface RandomOptions {
  /**
   * Whether keys occur twice in some objects. The document is a different one when MongoDB has replayed its oplog after
   * a crash, without an event.
   *
   * @default true
   */
  readonly repeats?: boolean;
}

/** Mostly flat, so that values of many kinds meet on the same paths. */
const mixed = <T>(
  make: (options: ValueOptions) => fc.Arbitrary<T>,
  { repeats = true }: RandomOptions,
): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 16, arbitrary: make({ unique: true, maxDepth: 2 }) },
    { weight: repeats ? 4 : 0, arbitrary: make({ unique: false, maxDepth: 2 }) },
    { weight: 1, arbitrary: make({ unique: true }) },
  );

export const randomValues = (numRuns: number, options: RandomOptions = {}): Raw[] =>
  fc.sample(mixed(anyValue, options), { numRuns, seed: SEED });

export const randomDocuments = (numRuns: number, options: RandomOptions = {}): Uint8Array[] =>
  fc.sample(mixed(anyDocument, options), { numRuns, seed: SEED });

/** `{_id, …}`: the members of a document after the key. */
export function withId(id: Raw, document: Uint8Array): Uint8Array {
  const head = documentOf([["_id", id]]).subarray(0, -1);
  const whole = new Uint8Array(head.length + document.length - 4);
  whole.set(head);
  whole.set(document.subarray(4), head.length);
  new DataView(whole.buffer).setInt32(0, whole.length, true);
  return whole;
}

/** Values for fields, a whole replacement, and a field less. */
const CHANGES: readonly ((value: Raw) => Raw)[] = [
  (value) => raw.document([["$set", raw.document([["a", value]])]]),
  (value) => raw.document([["b", value], ["c", value]]),
  () => raw.document([["$unset", raw.document([["a", raw.boolean(true)]])]]),
];

/** The nth update of one document, as the server takes it. */
export const randomUpdate = (id: Raw, value: Raw, n: number): Uint8Array =>
  documentOf([["q", raw.document([["_id", id]])], ["u", CHANGES[n % CHANGES.length]?.(value) ?? value]]);
