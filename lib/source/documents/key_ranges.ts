/** Divides a collection into ranges of keys, to read it in several lanes. Based on a sample, so keys may have any type. */
import type { BsonValue } from "../../bson/bson.ts";
import { keyText } from "../../key/key_text.ts";
import { idDocument } from "../../key/query_literal.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { type Logger, QUIET } from "../../util/log.ts";
import type { CausalReader } from "../connection/causal_reader.ts";
import { isNamed } from "./chunk.ts";
import { estimatedCount } from "./collections.ts";
import { KEY } from "./pages.ts";
import { positionBytes, recordStart } from "./record_order.ts";
import { sampleOf } from "./sample.ts";

/** A part of a collection in key order. Its ends are BSON of `{_id}`. */
export interface KeyRange {
  /** The key before the range, or a position in the order of records; null at the start of the collection. */
  readonly after: Uint8Array | null;
  /** The last key of the range; null at the end of the collection. */
  readonly upTo: Uint8Array | null;
}

export const WHOLE: KeyRange = { after: null, upTo: null };

/** A smaller collection is one range. */
const MIN_DOCUMENTS = 20_000;
const MIN_RANGE_DOCUMENTS = 2_500;
/** More than one, so that all lanes finish at about the same time. */
const RANGES_PER_LANE = 4;
/** Sampled keys. More of them make the ranges more even. */
const KEYS_PER_RANGE = 50;
/** MongoDB sorts the whole collection for a sample of five percent or more. */
const MAX_SHARE = 1 / 25;
/** A longer key is not used as a bound, because bounds are saved with the position. */
const MAX_BOUND_BYTES = 1_024;

export type RangeSplitter = ReturnType<typeof rangeSplitter>;

export function rangeSplitter(reader: CausalReader, { lanes, log, order = "key" }: {
  readonly lanes: number;
  readonly log: Logger;
  readonly order?: "key" | "natural";
}) {
  let logOfTrials = log;
  return {
    /**
     * The ranges of a collection; one range if it is small, the server refuses a sample, or it is read in natural order.
     * @example IN: shop.orders with 1,000,000 documents, 4 lanes → OUT: 16 ranges
     */
    async split(namespace: Namespace): Promise<readonly KeyRange[]> {
      const start = order === "natural" ? await recordStart(reader, namespace, logOfTrials) : undefined;
      if (start) return [{ after: positionBytes(start), upTo: null }];
      logOfTrials = QUIET; // One warning is enough.
      const count = lanes === 1 ? 0 : await estimatedCount(reader, [namespace]);
      if (count < MIN_DOCUMENTS) return [WHOLE];
      const ranges = Math.min(lanes * RANGES_PER_LANE, Math.floor(count / MIN_RANGE_DOCUMENTS));
      const sample = await sampleOf(reader, namespace, {
        size: Math.min(ranges * KEYS_PER_RANGE, Math.floor(count * MAX_SHARE)),
        stages: [{ $project: KEY }, { $sort: KEY }],
        onRefused: ({ code }) =>
          log.warn("MongoDB refused a sample of the keys: reading a collection in one lane", {
            collection: namespaceText(namespace),
            code,
          }),
      });
      return rangesOf(sample.map(({ id }) => id), ranges);
    },
  };
}

/**
 * Divides a collection into at most `count` ranges, at keys of an ordered sample.
 * @example IN: [1, 2, 3, 4, 5, 6], 3 → OUT: … to 2, after 2 to 4, after 4 …
 */
export function rangesOf(sample: readonly BsonValue[], count: number): readonly KeyRange[] {
  const keys = sample.filter((id) => id.length <= MAX_BOUND_BYTES && isNamed({ id }));
  const distinct = new Map<string, Uint8Array>();
  for (let at = 1; at < count; at++) {
    const id = keys[Math.floor(at * keys.length / count) - 1];
    if (id) distinct.set(keyText(id), idDocument(id));
  }
  const bounds = [...distinct.values()];
  return [...bounds, null].map((upTo, at) => ({ after: bounds[at - 1] ?? null, upTo }));
}
