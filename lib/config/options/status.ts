/** Options of `status` and `wait`. */
import { type Option, option } from "./option.ts";
import { duration, oneOf, operationTime } from "./parsers.ts";
import { MAX_LAG, RELAY } from "./relay.ts";
import { SINK } from "./sink.ts";
import { MONGODB_URL, MONGODB_URL_FILE, SCOPE } from "./source.ts";

/** Options of the relay that name its stream. */
const NAMING = ["database", "collection", "exclude", "table", "worker"];

const isNaming = ({ flag }: Option): boolean => NAMING.includes(flag);

/** The stream that `status` and `wait` are about: the one that a relay with these options follows, or all. */
export const STREAM = [...SCOPE, ...RELAY].filter(isNaming);

/** How `status` looks. */
export const STATUS = [
  ...SINK,
  option({ ...MAX_LAG, help: "How far a stream may be behind; with more the exit code is 4" }),
  option({
    flag: "runs",
    env: ["CDC_STATUS_RUNS"],
    default: "once",
    value: "once|forever",
    help: "Print the status once, or every second until stopped; a terminal shows it in place",
    parse: oneOf("once", "forever"),
  }),
  option({
    flag: "output",
    env: ["CDC_STATUS_OUTPUT"],
    default: "text",
    value: "text|json",
    help: "Form of the result on standard output",
    parse: oneOf("text", "json"),
  }),
] as const;

/** What `wait` waits for. */
export const WAIT = [
  MONGODB_URL,
  MONGODB_URL_FILE,
  ...SINK,
  option({
    flag: "at",
    env: ["CDC_WAIT_AT"],
    default: "now",
    value: "TIME",
    help:
      "Wait for all writes up to this time: now by MongoDB's clock, a time such as 2026-01-31T12:00:00Z, or an operation time",
    parse: operationTime,
  }),
  option({
    flag: "timeout",
    env: ["CDC_WAIT_TIMEOUT"],
    default: "1m",
    value: "TIME",
    help: "How long to wait at most; the exit code is 4 then",
    parse: duration,
  }),
  option({
    flag: "output",
    env: ["CDC_WAIT_OUTPUT"],
    default: "text",
    value: "text|json",
    help: "Form of the result on standard output",
    parse: oneOf("text", "json"),
  }),
] as const;
