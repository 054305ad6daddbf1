/** Formats results as text and as JSON. Pure. */
import { clusterTimeText } from "../source/connection/cluster_time.ts";
import { type CollectionResult, type KeyDifference, resultFields, worstOutcome } from "./result.ts";

/** Keys that are printed for one collection. */
const MAX_KEYS = 10;

/**
 * One line for each collection, followed by its differences.
 *
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
  return `${collection} -> ${table}: ${verdict(result)} | ${counts.join(", ")}`;
}

function verdict(result: CollectionResult): string {
  const { outcome, mode, clusterTime, missing, extra, different, changing, repaired, relay } = result;
  const what = { full: "equal", sample: "equal in the sample", count: "equal counts" }[mode];
  const until = clusterTime ? ` up to ${clusterTimeText(clusterTime)}` : "";
  const counts = { missing, extra, different, "still changing": changing, repaired };
  const parts = Object.entries(counts).filter(([, count]) => count > 0).map(([what, count]) =>
    `${count} ${what}`
  );
  if (outcome === "equal") return what + until;
  const equality = {
    repaired: `, ${what} now${until}`,
    different: "",
    changing: `, otherwise ${what}${until}`,
  };
  return parts.join(", ") + equality[outcome] + RELAY[relay ?? "passed"];
}

const RELAY = {
  passed: "",
  "not running": " (no relay runs: differences count as found)",
  stalled: " (the relay makes no progress: differences count as found)",
};

/** @example IN: 200000, "row" → OUT: 200,000 rows */
const counted = (count: number, what: string): string =>
  `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

function differenceLines(result: CollectionResult): string[] {
  const { differences, missing, extra, different, deadLetters } = result;
  const shown = differences.slice(0, MAX_KEYS);
  const left = missing + extra + different + deadLetters - shown.length;
  return [...shown.flatMap(keyLines), ...left > 0 && shown.length > 0 ? [`  and ${left} more`] : []];
}

const keyLines = ({ oid, kind, paths }: KeyDifference): string[] => [
  `  ${kind.padEnd("dead letter".length)}  ${oid}`,
  ...paths.map(({ path, document, row }) =>
    `    ${path}: document ${document ?? "has none"}, row ${row ?? "has none"}`
  ),
];

/** The same as one line of JSON. @example OUT: {"outcome":"equal","collections":[{"stream":"shop.orders -> …",…}]} */
export const jsonReport = (results: readonly CollectionResult[]): string =>
  JSON.stringify({ outcome: worstOutcome(results), collections: results.map(resultFields) });
