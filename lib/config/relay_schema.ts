/** The form of `relay.yaml`, made from the option table. The parsers of the options check the values. */
import { BSON } from "../bson/library.ts";
import * as v from "valibot";
import { EntryError, UsageError } from "../util/errors.ts";
import { similarName } from "../util/text.ts";
import { TIME_UNITS } from "../mapping/partition.ts";
import type { Option, OptionTable } from "./option.ts";
import { EVENT_KINDS } from "../sink/metadata/event_log.ts";
import { FILE_PROCESS } from "./options.ts";
import { type Environment, valueOf } from "./read.ts";
import { COLLECTION, CRATEDB, MONGODB, MONITORING, SCOPE, STREAM } from "./relay_options.ts";

/** In the file, the options of a server lack its name. */
const withoutName = (server: string, table: OptionTable): OptionTable =>
  Object.fromEntries(
    Object.entries(table).map(([name, option]) => {
      const rest = name.slice(server.length);
      return [rest.charAt(0).toLowerCase() + rest.slice(1), option];
    }),
  );

/** @example IN: "mongodb", "url" → OUT: mongodbUrl */
export const serverOption = (server: string, key: string): string =>
  `${server}${key.charAt(0).toUpperCase()}${key.slice(1)}`;

/** The tables of the parts of the file. */
export const SERVERS = { mongodb: withoutName("mongodb", MONGODB), cratedb: withoutName("cratedb", CRATEDB) };
export const DEFAULTS: OptionTable = { ...STREAM, ...COLLECTION };
export const OF_STREAM: OptionTable = { ...SCOPE, ...DEFAULTS };

const HOMES: Readonly<Record<string, OptionTable>> = {
  "the top of the file": FILE_PROCESS,
  "a stream": OF_STREAM,
  "mongodb: { … }": SERVERS.mongodb,
  "cratedb: { … }": SERVERS.cratedb,
};

export const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const mappable = v.custom(isMapping);
const text = v.pipe(v.string(), v.minLength(1));
const texts = v.union([text, v.array(text)]);
const document = v.pipe(mappable, v.record(v.string(), v.unknown()));
const pattern = (source: RegExp) => v.pipe(v.string(), v.regex(source));

const LONG_TEXT = v.strictObject({ text: v.strictObject({ index: v.picklist(["off"]) }) });

const PARTITION_UNITS = Object.fromEntries([...TIME_UNITS, "value"].map((unit) => [unit, v.optional(text)]));

/** The forms of values, by type; of other types, a text. */
const FORMS: Partial<Readonly<Record<Option["type"], (option: Option) => v.GenericSchema>>> = {
  choice: ({ choices = [] }) => v.picklist(choices),
  count: ({ least = 0 }) => v.pipe(v.number(), v.integer(), v.minValue(Number(least))),
  duration: () =>
    v.union([v.pipe(v.number(), v.minValue(0)), pattern(/^(?:\d+(?:\.\d+)?(?:ms|s|m|h)?|forever)$/)]),
  size: () =>
    v.union([v.pipe(v.number(), v.integer(), v.minValue(1)), pattern(/^\d+(?:[KkMmGg][Ii][Bb])?$/)]),
  names: () => texts,
  paths: () => texts,
  omittedPaths: () => texts,
  filter: () => document,
  pipeline: () => v.array(document),
  types: () => v.pipe(mappable, v.record(text, v.union([text, LONG_TEXT]))),
  fulltext: () =>
    v.pipe(
      mappable,
      v.record(
        text,
        v.strictObject({ columns: v.pipe(v.array(text), v.minLength(1)), analyzer: v.optional(text) }),
      ),
    ),
  tableSettings: () => v.pipe(mappable, v.record(text, v.union([v.string(), v.number(), v.boolean()]))),
  partition: () =>
    v.union([
      pattern(/^(?:year|month|week|day|hour|value)=.+$/),
      v.pipe(v.strictObject(PARTITION_UNITS), v.minEntries(1), v.maxEntries(1)),
    ]),
  retention: () => pattern(/^\d{1,4} ?(?:year|month|week|day|hour)s?$/),
  hooks: () =>
    v.array(mapping({
      url: v.optional(secret),
      exec: v.optional(v.pipe(v.array(text), v.minLength(1))),
      format: v.optional(v.picklist(["json", "slack"])),
      kinds: v.optional(v.array(v.picklist(Object.keys(EVENT_KINDS)))),
    })),
  replicas: () =>
    v.union([v.pipe(v.number(), v.integer(), v.minValue(0)), pattern(/^\d+(?:-(?:\d+|all))?$/)]),
};

type Entries = Readonly<Record<string, v.GenericSchema>>;

const mapping = (entries: Entries) =>
  v.pipe(
    mappable,
    v.looseObject(entries),
    v.rawCheck(({ dataset, addIssue }) => {
      const input = dataset.value as Record<string, unknown>;
      for (const [key, value] of Object.entries(input)) {
        if (Object.hasOwn(entries, key)) continue;
        const message = `Unknown key: ${key}. ${hintFor(key, Object.keys(entries))}`;
        addIssue({ message, path: [{ type: "object", origin: "key", input, key, value }] });
      }
    }),
  );

/** Keys that Valibot leaves out of a record, with what is below them. */
const UNREAD = ["__proto__", "constructor", "prototype"];

const record = (value: v.GenericSchema) =>
  v.pipe(
    mappable,
    v.rawCheck(({ dataset, addIssue }) => {
      const input = dataset.value;
      if (!isMapping(input)) return;
      for (const key of UNREAD.filter((each) => Object.hasOwn(input, each))) {
        const message = `${key} cannot be a name here. Choose another one, or a pattern such as ${
          key.slice(0, -1)
        }?`;
        addIssue({ message, path: [{ type: "object", origin: "key", input, key, value: input[key] }] });
      }
    }),
    v.record(text, value),
  );

function hintFor(key: string, keys: readonly string[]): string {
  const similar = similarName(key, keys);
  if (similar !== undefined) return `Did you mean ${similar}?`;
  const homes = Object.keys(HOMES).filter((home) => Object.hasOwn(HOMES[home] ?? {}, key));
  return homes.length > 0 ? `It belongs to ${homes.join(" or ")}` : `Possible keys: ${keys.join(", ")}`;
}

/** A secret, the variable that has it, or the file. */
const secret = v.union([text, mapping({ env: text }), mapping({ file: text })]);

const descriptionOf = ({ help, details = "", default: fallback }: Option): string =>
  [`${help}.`, details, fallback ? `Default: ${fallback}.` : ""].filter(Boolean).join(" ");

/** Returns the value of an option from that of the file, such as the content of the variable of {env: "MONGODB_URL"}. */
export function given(option: Option, value: unknown, env: Environment): unknown {
  if (option.type === "hooks" && Array.isArray(value)) return value.map((each) => hookOf(each, env));
  const isDocument = option.type === "filter" || option.type === "pipeline";
  if (isDocument && typeof value !== "string") return BSON.EJSON.stringify(value);
  if (!option.secret || !isMapping(value) || typeof value.file === "string") return value;
  if (typeof value.env !== "string") {
    throw new UsageError("This is neither a text, nor { env: VARIABLE }, nor { file: PATH }");
  }
  const found = env[value.env];
  if (found) return found;
  throw new UsageError(`The variable ${value.env} is not set`, { hint: "Set it, or use { file: PATH }" });
}

/** A hook with the content of its URL. */
function hookOf(hook: unknown, env: Environment): unknown {
  if (!isMapping(hook) || "url" in hook === "exec" in hook) {
    throw new UsageError("A hook has either url or exec");
  }
  if (!("url" in hook)) return hook;
  const { onEventUrl } = MONITORING;
  return { ...hook, url: valueOf("url", onEventUrl, { options: { url: given(onEventUrl, hook.url, env) } }) };
}

export const textOf = ({ message, hint }: UsageError): string => hint ? `${message}. ${hint}` : message;

interface Server {
  /** Stands before the names of its options in messages. */
  readonly server?: keyof typeof SERVERS;
  /** Whether it is that of a stream, which has nothing of the one of all streams. */
  readonly isOwn?: boolean;
}

/** The driver checks the rest when it connects. @throws UsageError */
function checkScheme(url: string): void {
  if (/^mongodb(?:\+srv)?:\/\//.test(url)) return;
  throw new UsageError("mongodb.url is malformed", {
    hint: "It begins with mongodb:// or mongodb+srv://",
  });
}

const settings = (table: OptionTable, env: Environment, { server, isOwn = false }: Server = {}): Entries =>
  Object.fromEntries(
    Object.entries(table).map(([key, option]) => {
      const name = server ? `${server}.${key}` : key;
      const check = v.rawCheck<unknown>(({ dataset, addIssue }) => {
        try {
          const value = valueOf(name, option, { options: { [name]: given(option, dataset.value, env) } });
          if (name === "mongodb.url") checkScheme(String(value));
        } catch (error) {
          if (!(error instanceof UsageError)) throw error;
          const { cause } = error;
          const path = cause instanceof EntryError ? placeOf(cause, dataset.value) : undefined;
          addIssue({ message: textOf(error), ...path && { path } });
        }
      });
      const form = FORMS[option.type]?.(option) ?? (option.secret ? secret : text);
      const value = v.pipe(v.unknown(), check, form, v.description(descriptionOf(option)));
      return [key, isOwn && key === "url" ? value : v.optional(value)];
    }),
  );

/** The place of an entry in a mapping. */
const placeOf = ({ key, value }: EntryError, input: unknown): [v.IssuePathItem] => [
  { type: "object", origin: "value", input: input as Record<string, unknown>, key, value },
];

/** @param env the variables that the file may name */
export function relaySchema(env: Environment = {}): v.GenericSchema {
  const servers = (isOwn: boolean) => ({
    mongodb: v.optional(mapping(settings(SERVERS.mongodb, env, { server: "mongodb", isOwn }))),
    cratedb: v.optional(mapping(settings(SERVERS.cratedb, env, { server: "cratedb", isOwn }))),
  });
  const collections = record(mapping(settings(COLLECTION, env)));
  const stream = { ...servers(true), ...settings(OF_STREAM, env), collections: v.optional(collections) };
  return mapping({
    version: v.pipe(v.literal(1), v.description("The version of this format.")),
    ...servers(false),
    ...settings(FILE_PROCESS, env),
    defaults: v.optional(mapping(settings(DEFAULTS, env))),
    streams: v.pipe(record(mapping(stream)), v.minEntries(1)),
  });
}

/** What is wrong with the value of a file. */
export function issuesOf(value: unknown, env: Environment = {}) {
  const { issues = [] } = v.safeParse(relaySchema(env), value);
  return issues.map((issue) => ({
    path: (issue.path ?? []).map(({ key }) => String(key)),
    text: issueText(issue),
  }));
}

/** What a value should be, by the type of an issue or by what was expected. */
const KINDS: Readonly<Record<string, string>> = {
  array: "a list",
  custom: "a mapping (key: value)",
  number: "a number (without quotes)",
  min_entries: "a mapping with a stream",
  min_length: "a text",
};

/** Keys whose values may contain secrets. A whole file may, too. */
const HAS_SECRETS: ReadonlySet<unknown> = new Set([
  ...Object.keys(SERVERS),
  ...Object.entries(FILE_PROCESS).flatMap(([key, option]) => "secret" in option ? [key] : []),
]);

/** What is wrong with a value, for people. */
function issueText({ type, message, expected, received, path, input }: v.BaseIssue<unknown>): string {
  if (type === "raw_check") return message;
  const name = path ? path.at(-1)?.key || "A name" : "The file";
  if (received === "undefined") return `${name} is missing`;
  const fault = `${name} is not ${KINDS[type] ?? expected}`;
  const isShown = input === null || path && !HAS_SECRETS.has(name);
  return isShown ? `${fault}: current value is ${JSON.stringify(input)}` : fault;
}
