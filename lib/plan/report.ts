/** The results of `check` and `plan` as texts. */
import type { Finding } from "../pipeline/status/finding.ts";
import { durationText, textTable, visible } from "../util/text.ts";
import type { CollectionPlan, StreamPlan } from "./plan.ts";
import type { PlannedPath } from "./table_plan.ts";

/** @example OUT: warning  oplog               The oplog reaches back 3 h: …\n           For a day: … */
export const findingText = ({ probe, level, text, hint, collection = "" }: Finding): string => {
  const next = level === "ok" || !hint ? [] : hint.split("\n").map((line) => " ".repeat(11) + line);
  const named = text.includes(collection) ? text : `${collection}: ${text}`;
  return [`${level.padEnd(9)}${probe.padEnd(20)}${named}`, ...next].join("\n");
};

/** A line for each finding, and e.g. `14 ok, 2 warning, 0 wrong`. */
export function checkText(findings: readonly Finding[]): string {
  const count = (level: string) => `${findings.filter((each) => each.level === level).length} ${level}`;
  return [...findings.map(findingText), "", ["ok", "warning", "wrong"].map(count).join(", ")].join("\n");
}

const percent = (share: number): string => `${Number((share * 100).toFixed(1)) || "<0.1"} %`;
const number = (count: number): string => Math.round(count).toLocaleString("en-US");
/** @example IN: 0.029, 1_400_000 → OUT: about 40,600 (2.9 %) */
const part = (share: number, all: number): string => `about ${number(share * all)} (${percent(share)})`;

/** @example OUT: ["price", "double 97.1 %, string 2.9 %", "DOUBLE PRECISION", "about 40,600 (2.9 %)"] */
function pathRow({ path, types, column, overflow }: PlannedPath, documents: number): string[] {
  const shares = Object.entries(types).map(([type, share]) =>
    share === 1 ? type : `${type} ${percent(share)}`
  );
  const printable = path.replaceAll(/\p{Cc}/gu, encodeURIComponent);
  return [printable, shares.join(", "), column, overflow > 0 ? part(overflow, documents) : ""];
}

function collectionText(plan: CollectionPlan, width: number): string {
  const { documents, columns, measured, overflowing, unstorable, partitions, suggestions, ddl } = plan;
  const head = visible(`${plan.collection} -> ${plan.table}${plan.exists ? ", which exists" : ""}`);
  if (plan.sampled === 0) {
    return `${head}\n  No document to sample: columns are created as documents arrive\n`;
  }
  const rows = plan.paths.map((each) => pathRow(each, documents));
  const lines = [
    `${number(documents)} documents; ${number(plan.sampled)} sampled have ` +
    `${number(plan.averageBytes)} bytes on average, ${number(plan.largestBytes)} at most`,
    ...textTable({ header: ["path", "types", "column", "to overflow"], rows }, width - 2),
    `${columns.used} of ${columns.limit} columns`,
    overflowing > 0 && `Rows with an overflow: ${part(overflowing, documents)}`,
    unstorable > 0 && `Dead letters, because no row can store them: ${part(unstorable, documents)}`,
    partitions && `Partitions of the sample: ${partitions.count}`,
    partitions && partitions.unfit > 0 &&
    `Documents without a value for their partition: ${part(partitions.unfit, documents)}`,
    measured && `Measured: ${number(measured.rowsPerSecond)} rows per second, ` +
      `${measured.bytesPerRow ?? "unknown"} bytes per row, ${measured.refused} of ${measured.rows} refused`,
    ...suggestions.map(visible),
    ...ddl.split("\n").map(visible),
  ];
  return `${[head, ...lines.filter(Boolean)].join("\n  ")}\n`;
}

export function planText({ findings, collections, ...totals }: StreamPlan, width: number): string {
  const { shards, snapshotSeconds, rowsPerSecond, oplogSeconds } = totals;
  const isMeasured = collections.some(({ measured }) => measured);
  const rate = `${number(rowsPerSecond)} rows per second`;
  const origin = isMeasured ? "as measured" : "a default: --measure 10000 measures it";
  const reach = oplogSeconds === null ? "an unknown time" : durationText(oplogSeconds * 1_000);
  return [
    ...findings.map(findingText),
    ...collections.map((each) => collectionText(each, width)),
    `${collections.length} collections, ${shards ?? "unknown"} shards to create`,
    `The snapshot takes about ${durationText(snapshotSeconds * 1_000)} at ${rate}, ${origin}; ` +
    `the oplog reaches back ${reach}`,
  ].join("\n");
}

/** A script to edit and run: a relay uses the tables that exist. */
export const planSql = ({ findings, collections }: StreamPlan): string =>
  [
    ...findings.map((each) => comment(findingText(each))),
    ...collections.map(({ collection, ddl, paths, documents, suggestions }) => {
      const lost = paths.filter(({ overflow }) => overflow > 0).map((each) =>
        pathRow(each, documents).join("  ")
      );
      const about = comment([collection, ...lost, ...suggestions].join("\n"));
      return `${about}\n${ddl === "" ? "-- The table exists, and lacks nothing" : `${ddl};`}\n`;
    }),
  ].join("\n");

const comment = (text: string): string => text.replace(/^/gm, "-- ");
