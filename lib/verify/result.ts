/** The result of a verification. Pure. */
import type { BSON } from "mongodb";
import type { VerifyRow } from "../sink/metadata/verify_results.ts";
import { clusterTimeFields } from "../source/connection/cluster_time.ts";

/** A path with different values: JSON text of both; undefined for a missing one. */
export interface PathDifference {
  readonly path: string;
  readonly document: string | undefined;
  readonly row: string | undefined;
}

/**
 * How a key differs: a document without a row, a row without a document, both with different values, or a document that
 * no row can hold and that is kept as a dead letter.
 */
export type DifferenceKind = "missing" | "extra" | "different" | "dead letter";

export interface KeyDifference {
  readonly oid: string;
  readonly kind: DifferenceKind;
  /** Some of the paths that differ. */
  readonly paths: readonly PathDifference[];
}

/** Whether the relay has passed a time, does not run, or makes no progress. */
export type Passing = "passed" | "not running" | "stalled";

export type Outcome = "equal" | "repaired" | "different" | "changing";

export interface CollectionResult {
  readonly stream: string;
  readonly collection: string;
  readonly table: string;
  readonly mode: "full" | "sample" | "count";
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly finishedAt: number;
  /** The time of MongoDB for which the result holds. */
  readonly clusterTime: BSON.Timestamp | undefined;
  /** The relay while differences were waited for; undefined if none had to be. */
  readonly relay: Passing | undefined;
  readonly documents: number;
  readonly rows: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  /** Rows with values in `overflow`. */
  readonly overflowed: number;
  readonly deadLetters: number;
  /** Keys that changed in each comparison. */
  readonly changing: number;
  /** Keys that differed and are equal after the repair. */
  readonly repaired: number;
  readonly outcome: Outcome;
  /** The first keys that differ. */
  readonly differences: readonly KeyDifference[];
}

/** @example IN: {missing: 0, extra: 0, different: 0, changing: 0, repaired: 3} → OUT: repaired */
export const outcomeOf = (
  { missing, extra, different, changing, repaired }: Record<
    "missing" | "extra" | "different" | "changing" | "repaired",
    number
  >,
): Outcome =>
  missing + extra + different > 0
    ? "different"
    : changing > 0
    ? "changing"
    : repaired > 0
    ? "repaired"
    : "equal";

const WORST_FIRST: readonly Outcome[] = ["different", "changing", "repaired"];

/** The outcome of all collections together; "nothing" if none was compared. */
export const worstOutcome = (results: readonly Pick<CollectionResult, "outcome">[]): Outcome | "nothing" =>
  results.length === 0
    ? "nothing"
    : WORST_FIRST.find((each) => results.some(({ outcome }) => outcome === each)) ?? "equal";

/**
 * The fields of `--json`, which are also the columns of `cdc_verify`. Times are in ISO 8601.
 *
 * @example
 * IN: {collection: "shop.orders", deadLetters: 2, startedAt: 0, finishedAt: 250, …}
 * OUT: {collection: "shop.orders", dead_letters: 2, started_at: "1970-01-01T00:00:00.000Z", …, duration_ms: 250}
 */
export function resultFields(result: CollectionResult) {
  const { startedAt, finishedAt, clusterTime, deadLetters, relay = null, differences, ...same } = result;
  return {
    ...same,
    started_at: new Date(startedAt).toISOString(),
    finished_at: new Date(finishedAt).toISOString(),
    duration_ms: finishedAt - startedAt,
    ...clusterTimeFields(clusterTime),
    dead_letters: deadLetters,
    relay,
    differences,
  };
}

/** The row of `cdc_verify`. */
export const verifyRow = (result: CollectionResult): VerifyRow => ({
  ...resultFields(result),
  differences: JSON.stringify(result.differences),
});
