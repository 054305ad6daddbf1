/** The verbs with their arguments: for the control table, for `ctl` with its help, and for the relay that reads them. */
import { bytesFromHex, fieldsByName } from "../../bson/bson.ts";
import { operationTime } from "../../bson/library.ts";
import type { RowKey } from "../../key/document_key.ts";
import { parseFilter } from "../../source/documents/transform.ts";
import { type Namespace, namespaceOf } from "../../util/namespace.ts";
import { RefusedError, type Run, type Verb } from "./verb.ts";

interface Argument {
  readonly type: keyof typeof READERS;
  readonly choices?: readonly string[];
  /** As text. @default {none} */
  readonly default?: string;
  /** Whether the verb means nothing without it. @default {no} */
  readonly isNeeded?: true;
  /** These are for `ctl`, as options have them. */
  readonly help: string;
  readonly details?: string;
  readonly placeholder?: string;
}

/** Of `ctl`, the first one that is needed or has a choice may be given without its name. */
export type ArgumentTable = Readonly<Record<string, Argument>>;

const COLLECTION = { type: "collection", isNeeded: true, help: "Collection, such as shop.orders" } as const;

export const VERB_ARGUMENTS = {
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
  cancel: {
    id: { type: "text", isNeeded: true, placeholder: "ID", help: "Id of the request, as ctl list prints it" },
  },
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
    collection: { type: "collection", help: "Only those of this collection: shop.orders" },
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
    repair: { type: "flag", default: "false", help: "Repair rows that differ" },
  },
  rebuild: { collection: COLLECTION },
  repair: { collection: COLLECTION, keys: { type: "keys", isNeeded: true, help: "Keys of rows" } },
} as const satisfies Readonly<Record<string, ArgumentTable>>;

export type VerbName = keyof typeof VERB_ARGUMENTS;

type Value<Each> = Each extends { readonly choices: readonly (infer Choice)[] } ? Choice
  : Each extends { readonly type: infer Type extends keyof typeof READERS } ?
      | ReturnType<typeof READERS[Type]>
      | (Each extends { isNeeded: true } | { default: string } ? never : undefined)
  : never;

export type Arguments<Name extends VerbName> = {
  readonly [Key in keyof typeof VERB_ARGUMENTS[Name]]: Value<typeof VERB_ARGUMENTS[Name][Key]>;
};

/** A verb whose arguments are read by the table. @param begin checks further what it is given. @throws RefusedError */
export const verbOf = <Name extends VerbName>(
  name: Name,
  kind: Verb["kind"],
  begin: (given: Arguments<Name>) => Run,
): Verb => ({ kind, read: (given) => begin(readArguments(name, given)) });

/**
 * @example
 * IN: verify, {collection: "shop.orders"} → OUT: {collection: {database: "shop", collection: "orders"}, repair: false}
 * @throws RefusedError for an argument with another name, or another value
 */
export function readArguments<Name extends VerbName>(
  verb: Name,
  given: Readonly<Record<string, unknown>>,
): Arguments<Name> {
  const table: ArgumentTable = VERB_ARGUMENTS[verb];
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(table, name));
  if (unknown !== undefined) {
    const names = Object.keys(table).join(", ");
    throw new RefusedError(`Unknown argument: ${unknown}.`, { hint: `Arguments: ${names || "none"}.` });
  }
  const read = Object.entries(table).map(([name, argument]) => {
    const value = given[name] ?? argument.default;
    if (value === undefined && !argument.isNeeded) return [name, undefined];
    try {
      return [name, READERS[argument.type](value, argument)];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RefusedError(`${name} ${error.message}: ${JSON.stringify(value) ?? "none is given"}`);
    }
  });
  return Object.fromEntries(read);
}

/** @throws RangeError whose message follows the name of the argument */
export function collectionOf(value: unknown): Namespace {
  const namespace = typeof value === "string" ? namespaceOf(value) : undefined;
  if (namespace) return namespace;
  throw new RangeError("is not the name of a collection such as shop.orders");
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw new RangeError("is no text");
}

/** By type. Each reads a value of JSON; people may have written it by hand. */
const READERS = {
  text: textOf,
  collection: collectionOf,
  choice(value: unknown, { choices = [] }: { readonly choices?: readonly string[] }): string {
    const choice = choices.find((each) => each === value);
    if (choice === undefined) throw new RangeError(`is not one of ${choices.join(", ")}`);
    return choice;
  },
  count(value: unknown): number {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw new RangeError("is no whole number of at least 0");
  },
  flag(value: unknown): boolean {
    if (String(value) === "true" || String(value) === "false") return String(value) === "true";
    throw new RangeError("is not true or false");
  },
  time: (value: unknown) => operationTime(textOf(value)),
  filter: (value: unknown) => parseFilter(typeof value === "string" ? value : JSON.stringify(value)),
  /** A list of texts, or texts with commas between them. */
  names(value: unknown): readonly string[] {
    const list = typeof value === "string" ? value.split(",") : value;
    const isList = Array.isArray(list) && list.length > 0;
    if (isList && list.every((each) => typeof each === "string" && each !== "")) return list;
    throw new RangeError("is not a list of texts");
  },
  /** Keys with their `_id` as BSON of `{_id}` in hex digits, which is not given if it is unknown. */
  keys(value: unknown): readonly RowKey[] {
    if (!Array.isArray(value) || value.length === 0) throw new RangeError("is not a list of keys");
    return value.map((each) => {
      const { oid, id = null } = Object(each);
      if (typeof oid !== "string") throw new RangeError('has a key without "oid"');
      if (id === null) return { oid, id: undefined };
      if (typeof id !== "string" || !/^(?:[0-9a-f]{2})+$/i.test(id)) {
        throw new RangeError("has an id that is not hex digits");
      }
      try {
        return { oid, id: fieldsByName(bytesFromHex(id)).get("_id") };
      } catch {
        throw new RangeError("has an id that is not BSON");
      }
    });
  },
};
