/** The result of a verification, and its texts. Pure. */
import type { BSON } from "mongodb";
import { type RecordedEvent, recordedEvent } from "../sink/metadata/event_log.ts";
import type { VerifyRow } from "../sink/metadata/verify_results.ts";
import { visible } from "../util/text.ts";
import { clusterTimeFields, clusterTimeText } from "../source/connection/cluster_time.ts";

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
  readonly paths: readonly PathDifference[];
}

/** Whether the relay has passed a time, does not run, makes no progress, or its stream is paused. */
export type Passing = "passed" | "not running" | "stalled" | "paused";

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
  /** Keys that changed in each comparison, or differ while the stream is paused. */
  readonly changing: number;
  /** Keys that differed and are equal after the repair. */
  readonly repaired: number;
  readonly outcome: Outcome;
  /** What to do if the table is at fault, not its rows. */
  readonly hint?: string;
  /** The first keys that differ. */
  readonly differences: readonly KeyDifference[];
}

type Counts = Pick<CollectionResult, "missing" | "extra" | "different" | "changing" | "repaired">;

/** @example IN: {missing: 0, extra: 0, different: 0, changing: 0, repaired: 3} → OUT: repaired */
export function outcomeOf({ missing, extra, different, changing, repaired }: Counts): Outcome {
  if (missing + extra + different > 0) return "different";
  if (changing > 0) return "changing";
  return repaired > 0 ? "repaired" : "equal";
}

const WORST_FIRST: readonly Outcome[] = ["different", "changing", "repaired"];

/** The outcome of all collections together; "nothing" if none was compared. */
export const worstOutcome = (results: readonly Pick<CollectionResult, "outcome">[]): Outcome | "nothing" =>
  results.length === 0
    ? "nothing"
    : WORST_FIRST.find((each) => results.some(({ outcome }) => outcome === each)) ?? "equal";

/**
 * The fields of `--json`, which are also the columns of `cdc_verify`. Times are in ISO 8601.
 * @example
 * IN: {collection: "shop.orders", deadLetters: 2, startedAt: 0, finishedAt: 250, …}
 * OUT: {collection: "shop.orders", dead_letters: 2, started_at: "1970-01-01T00:00:00.000Z", …, duration_ms: 250}
 */
export function resultFields(result: CollectionResult) {
  const { startedAt, finishedAt, clusterTime, deadLetters, relay = null, hint = null, differences, ...same } =
    result;
  return {
    ...same,
    started_at: new Date(startedAt).toISOString(),
    finished_at: new Date(finishedAt).toISOString(),
    duration_ms: finishedAt - startedAt,
    ...clusterTimeFields(clusterTime),
    dead_letters: deadLetters,
    relay,
    hint,
    differences,
  };
}

export const verifyRow = (result: CollectionResult): VerifyRow => ({
  ...resultFields(result),
  differences: JSON.stringify(result.differences),
});

/** @example OUT: {kind: "verify_equal", message: "shop.orders: equal up to 2026-11-27T04:00:00.000Z (1)", …} */
export function verifyEvent(result: CollectionResult): RecordedEvent {
  const { stream, collection, outcome, finishedAt: at, documents, rows } = result;
  const kind = outcome === "repaired" ? "verify_equal" : `verify_${outcome}` as const;
  const message = `${collection}: ${verdict(result)}`;
  return recordedEvent({ at, stream, kind, message, details: { collection, documents, rows } });
}

const PRINTED_KEYS = 10;

/**
 * One line for each collection, followed by its differences.
 * @example OUT: shop.orders = shop.orders: equal up to 2026-11-27T04:00:00.000Z (1) | 3 documents, 3 rows, 0.1 s
 */
export const textReport = (results: readonly CollectionResult[]): string =>
  results.length === 0
    ? "Nothing was compared: no collection matches"
    : results.flatMap((each) => [collectionLine(each), ...differenceLines(each)]).join("\n");

function collectionLine(result: CollectionResult): string {
  const { collection, table, documents, rows, overflowed, deadLetters, startedAt, finishedAt } = result;
  const seconds = Math.max(0.001, (finishedAt - startedAt) / 1_000);
  const counts = [
    counted(documents, "document"),
    counted(rows, "row"),
    ...overflowed > 0 ? [`${counted(overflowed, "row")} with overflow`] : [],
    ...deadLetters > 0 ? [counted(deadLetters, "dead letter")] : [],
    `${seconds.toFixed(1)} s`,
    ...result.mode === "count" ? [] : [`${Math.round(documents / seconds).toLocaleString("en")}/s`],
  ];
  return `${visible(`${collection} -> ${table}`)}: ${verdict(result)} | ${counts.join(", ")}`;
}

function verdict(result: CollectionResult): string {
  const { outcome, mode, clusterTime, missing, extra, different, changing, repaired, relay } = result;
  const what = { full: "equal", sample: "equal in the sample", count: "equal counts" }[mode];
  const until = clusterTime ? ` up to ${clusterTimeText(clusterTime)}` : "";
  const unsettled = relay === "paused" ? "not settled" : "still changing";
  const counts = { missing, extra, different, [unsettled]: changing, repaired };
  if (outcome === "equal") return what + until;
  const found = Object.entries(counts).filter(([, count]) => count > 0);
  const equality = {
    repaired: `, ${what} now${until}`,
    different: "",
    changing: `, otherwise ${what}${until}`,
  };
  return found.map(([kind, count]) => `${count} ${kind}`).join(", ") + equality[outcome] +
    RELAY[relay ?? "passed"];
}

const RELAY = {
  passed: "",
  "not running": " (no relay runs: differences count as found)",
  stalled: " (the relay makes no progress: differences count as found)",
  paused: " (the stream is paused, and rows may be behind their documents: resume it, and run verify again)",
};

/** @example IN: 200000, "row" → OUT: 200,000 rows */
const counted = (count: number, what: string): string =>
  `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

function differenceLines(result: CollectionResult): string[] {
  const { differences, missing, extra, different, deadLetters, hint } = result;
  const shown = differences.slice(0, PRINTED_KEYS);
  const left = missing + extra + different + deadLetters - shown.length;
  return [
    ...shown.flatMap(keyLines),
    ...left > 0 && shown.length > 0 ? [`  and ${left} more`] : [],
    ...hint === undefined ? [] : [`  ${hint}`],
  ];
}

const keyLines = ({ oid, kind, paths }: KeyDifference): string[] =>
  [
    `  ${kind.padEnd("dead letter".length)}  ${oid}`,
    ...paths.map(({ path, document, row }) =>
      `    ${path}: document ${document ?? "has none"}, row ${row ?? "has none"}`
    ),
  ].map(visible);

/** The same as one line of JSON. @example OUT: {"outcome":"equal","collections":[{"stream":"shop.orders -> …",…}]} */
export const jsonReport = (results: readonly CollectionResult[]): string =>
  JSON.stringify({ outcome: worstOutcome(results), collections: results.map(resultFields) });
