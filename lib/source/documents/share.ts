/** Which documents a relay replicates: all, or a share of them if several relays divide each collection. */
import type { Document } from "mongodb";
import type { BsonValue } from "../../bson/bson.ts";
import type { Namespace } from "../../util/namespace.ts";

export interface Share {
  /** The number of relays that divide the documents. */
  readonly relays: number;
  /** Whether this relay deletes the rows of dropped collections. One relay does it for all. */
  readonly dropsRows: boolean;
  /** An aggregation expression that tests an `_id`; undefined for all documents. */
  condition(id: unknown): Document | undefined;
  /** The keys of documents in the share. A key without a known `_id` belongs to no share. */
  among<Each extends { readonly id: BsonValue | undefined }>(
    namespace: Namespace,
    keys: readonly Each[],
  ): Promise<readonly Each[]>;
}

export const ALL_DOCUMENTS: Share = {
  relays: 1,
  dropsRows: true,
  condition: () => undefined,
  among: (_namespace, keys) => Promise.resolve(keys),
};
