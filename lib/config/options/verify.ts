/** Options of `verify`. */
import { option } from "./option.ts";
import { count, duration, oneOf } from "./parsers.ts";
import { SINK } from "./sink.ts";

/** Options of the relay that say where rows are and how they are written. */
export const VERIFIED: readonly string[] = [
  ...SINK.map(({ flag }) => flag),
  "table",
  "columns",
  "widen",
  "widen-rows",
  "on-drop",
  "max-memory",
  "statement-rows",
  "statement-bytes",
  "in-flight",
  "lease",
  "retry-for",
];

/** How `verify` compares. */
export const VERIFY = [
  option({
    flag: "compare",
    env: ["CDC_VERIFY_COMPARE"],
    default: "documents",
    value: "documents|counts",
    help: "Compare each document with its row, or only how many there are",
    parse: oneOf("documents", "counts"),
  }),
  option({
    flag: "sample",
    env: ["CDC_VERIFY_SAMPLE"],
    default: "0",
    value: "N",
    help: "Compare N documents and N rows of each collection, picked at random; 0 for all",
    parse: count(0),
  }),
  option({
    flag: "differences",
    env: ["CDC_VERIFY_DIFFERENCES"],
    default: "report",
    value: "report|repair",
    help: "Report keys that differ, or also write or remove just their rows, and verify them again",
    parse: oneOf("report", "repair"),
  }),
  option({
    flag: "runs",
    env: ["CDC_VERIFY_RUNS"],
    default: "once",
    value: "once|forever",
    help: "Verify once, or again and again until stopped",
    parse: oneOf("once", "forever"),
  }),
  option({
    flag: "rate",
    env: ["CDC_VERIFY_RATE"],
    default: "0",
    value: "N",
    help: "Documents a second that are compared at most; 0 for as many as possible",
    parse: count(0),
  }),
  option({
    flag: "settle",
    env: ["CDC_VERIFY_SETTLE"],
    default: "30s",
    value: "TIME",
    help: "How long to wait for a relay whose position does not move; then differences count as found",
    parse: duration,
  }),
  option({
    flag: "generations",
    env: ["CDC_VERIFY_GENERATIONS"],
    default: "10",
    value: "N",
    help: "How often keys that differ and keep changing are compared again",
    parse: count(1),
  }),
  option({
    flag: "output",
    env: ["CDC_VERIFY_OUTPUT"],
    default: "text",
    value: "text|json",
    help: "Form of the result on standard output",
    parse: oneOf("text", "json"),
  }),
] as const;
