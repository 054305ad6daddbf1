/** The options of `ctl`, and the arguments that its verbs have in the control table. */
import { BSON } from "../bson/library.ts";
import { UsageError } from "../util/errors.ts";
import { flagOf, type OptionTable, prefixed } from "./option.ts";
import type { Values } from "./parsers.ts";
import type { Given } from "./read.ts";
import { CRATEDB, FILE } from "./relay_options.ts";

const REQUEST = {
  config: FILE.config,
  ...CRATEDB,
  stream: {
    type: "text",
    help: "Name of the stream as status prints it, or as in --config",
    details: "By default the only stream, of the schema in the URL if it has one.",
  },
  until: {
    type: "choice",
    choices: ["asked", "ended"],
    default: "asked",
    help: "Return when the request is asked, or when it has ended",
    switches: { wait: "ended" },
  },
  timeout: { type: "duration", default: "1h", help: "Time to wait at most; then the exit code is 4" },
  expires: { type: "duration", default: "1h", help: "Time until a request expires that no relay has begun" },
  output: {
    type: "choice",
    choices: ["text", "json"],
    default: "text",
    help: "Format of the result on standard output",
    switches: { json: "json" },
  },
} as const satisfies OptionTable;

const { until: _until, timeout: _timeout, expires: _expires, ...LISTING } = REQUEST;
const COLLECTION = { type: "text", help: "Collection: shop.orders" } as const;

/** By verb; `list` is none, it reads the table. */
const ARGUMENTS = {
  pause: {
    reason: { type: "text", placeholder: "TEXT", help: "Why, for those who look at the status" },
    resumeAt: { type: "time", help: "When the pause ends: a time such as 2026-01-31T12:00:00Z" },
    resume: {
      type: "choice",
      choices: ["auto", "never"],
      default: "auto",
      help: "Resume before MongoDB drops the changes after the position, or never",
    },
  },
  resume: {},
  reload: {},
  list: {},
  cancel: { id: { type: "text", placeholder: "ID", help: "Id of the request" } },
  snapshot: {
    collection: COLLECTION,
    filter: {
      type: "filter",
      help: "Read only documents that match this MongoDB query (Extended JSON); removes no rows",
    },
    rate: { type: "count", help: "With --filter: documents to read per second at most" },
  },
  letters: {
    action: {
      type: "choice",
      choices: ["list", "show", "retry", "discard"],
      default: "list",
      help: "What to do with dead letters",
    },
    collection: { type: "text", help: "Only those of this collection: shop.orders" },
    oid: { type: "names", help: "Only those with these keys" },
  },
  rate: {
    snapshot: { type: "count", help: "Documents that a snapshot reads per second at most; 0 for no limit" },
    verify: { type: "count", help: "Documents that verify compares per second at most; 0 for no limit" },
  },
  stop: {
    at: {
      type: "time",
      default: "now",
      help: "Apply everything up to this time and nothing after it",
      details: "now, a time such as 2026-01-31T12:00:00Z, or an operation time T:I.",
    },
  },
  verify: {
    collection: COLLECTION,
    differences: {
      type: "choice",
      choices: ["report", "repair"],
      default: "report",
      help: "Report keys that differ, or also repair their rows",
      switches: { repair: "repair" },
    },
  },
  rebuild: { collection: COLLECTION },
} as const satisfies Readonly<Record<string, OptionTable>>;

export type CtlVerb = keyof typeof ARGUMENTS;

/** The arguments without which a verb means nothing. */
const NEEDED: Partial<Record<CtlVerb, string>> = {
  cancel: "id",
  snapshot: "collection",
  verify: "collection",
  rebuild: "collection",
};

const optionsOf = <Verb extends CtlVerb>(verb: Verb) =>
  prefixed("CDC_CTL", { ...REQUEST, ...ARGUMENTS[verb] });

/** What all verbs have. */
export const CTL_REQUEST: typeof REQUEST = prefixed("CDC_CTL", REQUEST);

/** The options of each command. */
export const CTL_OPTIONS = {
  "ctl pause": optionsOf("pause"),
  "ctl resume": optionsOf("resume"),
  "ctl reload": optionsOf("reload"),
  "ctl list": prefixed("CDC_CTL", LISTING),
  "ctl cancel": optionsOf("cancel"),
  "ctl snapshot": optionsOf("snapshot"),
  "ctl letters": optionsOf("letters"),
  "ctl rate": optionsOf("rate"),
  "ctl stop": optionsOf("stop"),
  "ctl verify": optionsOf("verify"),
  "ctl rebuild": optionsOf("rebuild"),
} satisfies Readonly<Record<`ctl ${CtlVerb}`, OptionTable>>;

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
  const needed = NEEDED[verb];
  if (needed && values[needed] === undefined) {
    throw new UsageError(
      `ctl ${verb} needs ${needed === "id" ? "the id of a request" : "the name of a collection"}`,
      {
        hint: `For example: ctl ${verb} ${needed === "id" ? "6f1c…, as ctl list prints it" : "shop.orders"}`,
      },
    );
  }
  if (verb === "verify") return { collection: values.collection, repair: values.differences === "repair" };
  const given = Object.keys(ARGUMENTS[verb]).map((name) => [name, jsonOf(values[name])] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** What is given for the stream: without the arguments of the verb, whose flags a relay has with another meaning. */
export function givenForStream(verb: CtlVerb, given: Given): Given {
  const own = Object.keys(ARGUMENTS[verb]).map(flagOf);
  const flags = Object.entries(given.flags ?? {}).filter(([flag]) => !own.includes(flag));
  return { ...given, flags: Object.fromEntries(flags) };
}

function jsonOf(value: unknown): unknown {
  if (value instanceof BSON.Timestamp) return `${value.t}:${value.i}`;
  if (Array.isArray(value)) return value.length > 0 ? value : undefined;
  if (value === null || typeof value !== "object") return value;
  return JSON.parse(BSON.EJSON.stringify(value, { relaxed: false }));
}
