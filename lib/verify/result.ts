/** What a verification has found. Pure. */
import type { BSON } from "mongodb";

/** What differs at a path: JSON text of both values; undefined where there is none. */
export interface PathDifference {
  readonly path: string;
  readonly document: string | undefined;
  readonly row: string | undefined;
}

/**
 * How a key differs: a document without a row, a row without a document, both with other values, or a document that no
 * row can hold and that is kept as a dead letter.
 */
export type DifferenceKind = "missing" | "extra" | "different" | "dead letter";

export interface KeyDifference {
  readonly oid: string;
  readonly kind: DifferenceKind;
  /** Some of the paths that differ. */
  readonly paths: readonly PathDifference[];
}

/** What has become of waiting for the relay to pass a moment: it has, none runs, or its position does not move. */
export type Passing = "passed" | "not running" | "stalled";

export type Mode = "full" | "sample" | "count";

export type Outcome = "equal" | "repaired" | "different" | "changing";

export interface CollectionResult {
  readonly stream: string;
  /** @example shop.orders */
  readonly collection: string;
  /** @example shop.orders */
  readonly table: string;
  readonly mode: Mode;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly finishedAt: number;
  /** MongoDB's time up to which it holds. */
  readonly clusterTime: BSON.Timestamp | undefined;
  /** What the relay did while differences were waited for; undefined where none had to be. */
  readonly relay: Passing | undefined;
  readonly documents: number;
  readonly rows: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  /** Rows with values that their columns do not take. */
  readonly overflowed: number;
  readonly deadLetters: number;
  /** Keys that changed each time that they were compared. */
  readonly changing: number;
  /** Keys that differed, were repaired, and are equal now. */
  readonly repaired: number;
  readonly outcome: Outcome;
  /** The first keys that differ. */
  readonly differences: readonly KeyDifference[];
}

/**
 * @example
 * IN: {missing: 0, extra: 0, different: 0, changing: 0, repaired: 3} → OUT: repaired
 */
export function outcomeOf(
  { missing, extra, different, changing, repaired }: Pick<
    CollectionResult,
    "missing" | "extra" | "different" | "changing" | "repaired"
  >,
): Outcome {
  if (missing + extra + different > 0) return "different";
  if (changing > 0) return "changing";
  return repaired > 0 ? "repaired" : "equal";
}

const WORST_FIRST: readonly Outcome[] = ["different", "changing", "repaired"];

/** The outcome of all collections together; "nothing" if none was compared, which is not "equal". */
export const worstOutcome = (
  results: readonly Pick<CollectionResult, "outcome">[],
): Outcome | "nothing" =>
  results.length === 0
    ? "nothing"
    : WORST_FIRST.find((each) => results.some(({ outcome }) => outcome === each)) ?? "equal";
