/** The options of each command. */
import { FORGET } from "./forget.ts";
import { LOGGING } from "./logging.ts";
import type { Option } from "./option.ts";
import { MONITORING, RELAY, SNAPSHOT } from "./relay.ts";
import { MONGODB_URL, MONGODB_URL_FILE, SCOPE, TRANSFORM } from "./source.ts";
import { STATUS, STREAM, WAIT } from "./status.ts";
import { VERIFIED, VERIFY } from "./verify.ts";
import { TARGET, WORKLOAD } from "./workload.ts";

/** @example IN: {flag: "log-format", value: "text|json", …} → OUT: ["text", "json"]; IN: {value: "URL", …} → OUT: [] */
export const choicesOf = ({ value }: Option): readonly string[] =>
  value.includes("|") ? value.split("|") : [];

export const OPTIONS = {
  "cdc-relay": [
    MONGODB_URL,
    MONGODB_URL_FILE,
    ...SCOPE,
    ...RELAY,
    ...TRANSFORM,
    ...SNAPSHOT,
    ...MONITORING,
    ...LOGGING,
  ],
  "status": [...STATUS, ...STREAM, ...LOGGING],
  "wait": [...WAIT, ...STREAM, ...LOGGING],
  "verify": [
    MONGODB_URL,
    MONGODB_URL_FILE,
    ...SCOPE,
    ...RELAY.filter(({ flag }) => VERIFIED.includes(flag)),
    ...TRANSFORM,
    ...VERIFY,
    ...LOGGING,
  ],
  "forget": [...FORGET, ...LOGGING],
  "db-workload": [MONGODB_URL, MONGODB_URL_FILE, ...TARGET, ...WORKLOAD, ...LOGGING],
} as const satisfies Readonly<Record<string, readonly Option[]>>;
