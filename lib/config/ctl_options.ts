/** The options of `ctl`: those of all requests, and the arguments of each verb. */
import { BSON } from "../bson/library.ts";
import { type ArgumentTable, VERB_ARGUMENTS, type VerbName } from "../pipeline/control/verb_arguments.ts";
import { UsageError } from "../util/errors.ts";
import { type OptionTable, prefixed } from "./option.ts";
import type { Values } from "./parsers.ts";
import { type Given, withoutFlags } from "./read.ts";
import { CRATEDB, FILE, OUTPUT } from "./relay_options.ts";

const REQUEST = {
  config: FILE.config,
  ...CRATEDB,
  stream: {
    type: "text",
    help: "Name of the stream as status prints it, or as in --config",
    details: "By default the only stream of the schema in the URL.",
  },
  until: {
    type: "choice",
    choices: ["asked", "ended"],
    default: "asked",
    help: "Return when the request is asked, or when it has ended",
    switches: { wait: "ended" },
  },
  timeout: { type: "duration", default: "1h", help: "Time to wait at most; then the exit code is 4" },
  expires: {
    type: "duration",
    // CrateDB must be able to store the time of expiry.
    within: ["1s", "8760h"],
    default: "1h",
    help: "Time until a request expires that no relay has begun",
  },
  ...OUTPUT,
} as const satisfies OptionTable;

/** `list` is no verb: it reads the table. Only `verify` requests repairs. */
export type CtlVerb = Exclude<VerbName, "repair"> | "list";

const { until: _until, timeout: _timeout, expires: _expires, ...LISTING } = REQUEST;

/** The argument `repair` of `verify`, as an option of both commands. */
export const DIFFERENCES = {
  type: "choice",
  choices: ["report", "repair"],
  default: "report",
  help: "Report keys that differ, or also repair their rows",
  switches: { repair: "repair" },
} as const;

/** What all verbs have. */
export const CTL_REQUEST: typeof REQUEST = prefixed("CDC_CTL", REQUEST);

const { repair: _repair, ...VERBS } = VERB_ARGUMENTS;

function optionsOf(table: OptionTable): OptionTable {
  return prefixed("CDC_CTL", { ...REQUEST, ...table });
}

/** The options of each command. */
export const CTL_OPTIONS: Readonly<Record<`ctl ${CtlVerb}`, OptionTable>> = {
  "ctl pause": optionsOf(VERBS.pause),
  "ctl resume": optionsOf(VERBS.resume),
  "ctl reload": optionsOf(VERBS.reload),
  "ctl list": prefixed("CDC_CTL", LISTING),
  "ctl cancel": optionsOf(VERBS.cancel),
  "ctl snapshot": optionsOf(VERBS.snapshot),
  "ctl letters": optionsOf(VERBS.letters),
  "ctl rate": optionsOf(VERBS.rate),
  "ctl stop": optionsOf(VERBS.stop),
  "ctl verify": optionsOf({ collection: VERBS.verify.collection, differences: DIFFERENCES }),
  "ctl rebuild": optionsOf(VERBS.rebuild),
};

const argumentsIn = (verb: CtlVerb): ArgumentTable => verb === "list" ? {} : VERBS[verb];

/** The option of a verb that a word without a flag sets. @example IN: snapshot → OUT: collection; IN: pause → OUT: undefined */
export function wordOf(verb: CtlVerb): string | undefined {
  const [[name, argument] = []] = Object.entries(argumentsIn(verb));
  return argument?.isNeeded || verb === "letters" ? name : undefined;
}

/**
 * The arguments of a request, as JSON has them. Those that are not given are left out.
 *
 * @throws UsageError without one that the verb needs
 * @example
 * IN: snapshot, {collection: "shop.orders", filter: {status: "open"}} → OUT: the same
 * IN: stop, {at: Timestamp(1700000000, 3)} → OUT: {at: "1700000000:3"}
 */
export function argumentsOf(
  verb: CtlVerb,
  values: Values<OptionTable>,
): Readonly<Record<string, unknown>> {
  const given = Object.entries(argumentsIn(verb)).map(([name, { type, isNeeded, help }]) => {
    const value = type === "flag" ? values.differences === "repair" : jsonOf(values[name]);
    if (value !== undefined || !isNeeded) return [name, value] as const;
    throw new UsageError(`ctl ${verb} needs its ${name}`, { hint: `${help}.` });
  });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** What is given for the stream: without the arguments of the verb, whose flags a relay has with another meaning. */
export const givenForStream = (verb: CtlVerb, given: Given): Given =>
  withoutFlags(given, Object.keys(argumentsIn(verb)));

function jsonOf(value: unknown): unknown {
  if (value instanceof BSON.Timestamp) return `${value.t}:${value.i}`;
  if (Array.isArray(value)) return value.length > 0 ? value : undefined;
  if (value === null || typeof value !== "object") return value;
  return JSON.parse(BSON.EJSON.stringify(value, { relaxed: false }));
}
