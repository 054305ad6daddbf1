/**
 * Parsers of option values, by type. Each parses the text of a flag or a variable, and the typed value of a program or a
 * file. A RangeError has the message that follows the option's name.
 */
import { readFileSync } from "node:fs";
import { operationTime } from "../bson/library.ts";
import { parsePart } from "../key/stream_name.ts";
import { parsePartitionBy, parseRetention } from "../mapping/partition.ts";
import { type Hook, parseWebhook } from "../monitor/hooks.ts";
import { parseListenAddress } from "../monitor/http_server.ts";
import { parseSinkUrl } from "../sink/connection/url.ts";
import { collectionOf } from "../pipeline/control/verb_arguments.ts";
import { parseFulltext, parseTypes } from "../mapping/designed_types.ts";
import { tableName } from "../sink/sql/names.ts";
import type { TableSettings } from "../sink/table/table_design.ts";
import { parseFilter, parseOmitted, parsePaths, parsePipeline } from "../source/documents/transform.ts";
import { entriesOf, ofEntry } from "../util/errors.ts";
import { namespaceText } from "../util/namespace.ts";
import { WEB_TOKEN } from "../util/mask_url.ts";
import { parseMix } from "../workload/mix.ts";
import { type Option, type OptionTable, PLACEHOLDERS } from "./option.ts";

type Parsed<Each extends Option> = Each extends { readonly choices: readonly (infer Choice)[] } ? Choice
  : Each extends { readonly default: string } | { readonly type: "names" | "paths" | "omittedPaths" }
    ? ReturnType<typeof PARSERS[Each["type"]]>
  : ReturnType<typeof PARSERS[Each["type"]]> | undefined;

/** The parsed values of a table. */
export type Values<Table extends OptionTable> = { readonly [Name in keyof Table]: Parsed<Table[Name]> };

/** Parses a value. Empty is an empty list, or undefined. @throws RangeError */
export const parse = (option: Option, given: unknown): unknown =>
  given === "" && !isList(option) ? undefined : PARSERS[option.type](given, option);

/** Whether a flag that is given again adds to the list. */
export const isList = ({ type }: Option): boolean => ["names", "paths", "omittedPaths"].includes(type);

/** Stands for the value in the help. @example IN: {type: "choice", choices: ["text", "json"]} → OUT: text|json */
export const placeholderOf = ({ type, choices, placeholder }: Option): string =>
  choices ? choices.join("|") : placeholder ?? PLACEHOLDERS[type];

const textual = <Value>(parseText: (text: string) => Value) => (given: unknown): Value => {
  if (typeof given !== "string") throw new RangeError("is not a text");
  return parseText(given);
};

/** Makes a parser of a list: an array of texts, or a text with commas. */
const list = (parseText: (text: string) => readonly string[]) => (given: unknown): readonly string[] => {
  const texts = Array.isArray(given) ? given : [given];
  if (!texts.every((each) => typeof each === "string")) throw new RangeError("is not a list of texts");
  return Object.freeze(parseText(texts.join(",")));
};

/** Makes a parser of a number, or of a text with a unit. */
const quantity = (parseText: (text: string) => number) => (given: unknown): number =>
  textual(parseText)(given === Infinity ? "forever" : typeof given === "number" ? String(given) : given);

const UNITS_MS: Readonly<Record<string, number>> = { "": 1, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

const duration = quantity((text) => {
  if (text === "forever") return Infinity;
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text) ?? [];
  if (number === undefined) throw new RangeError("is not a duration such as 250ms, 10s or 2m");
  return Number(number) * (UNITS_MS[unit ?? ""] ?? 1);
});

const UNITS_BYTES: Readonly<Record<string, number>> = { "": 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };

const size = quantity((text) => {
  const [, number, unit] = /^(\d+)(kib|mib|gib|)$/i.exec(text) ?? [];
  if (!Number(number)) throw new RangeError("is not a size such as 16MiB or 500000");
  return Number(number) * (UNITS_BYTES[unit?.toLowerCase() ?? ""] ?? 1);
});

function count(given: unknown, { least = 0 }: Pick<Option, "least">): number {
  const number = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : given;
  if (typeof number === "number" && Number.isInteger(number) && number >= Number(least)) return number;
  throw new RangeError(`is not a whole number of at least ${least}`);
}

const ONE_WEB_TOKEN = new RegExp(`^${WEB_TOKEN.source}$`);

const PARSERS = {
  text: textual(String),
  choice(given: unknown, { choices = [] }: Option) {
    if (typeof given === "string" && choices.includes(given)) return given;
    throw new RangeError(`is not one of ${choices.join(", ")}`);
  },
  count,
  duration(given: unknown, { within }: Option) {
    const time = duration(given);
    const [from, to] = within ?? [0, Infinity];
    if (time >= duration(from) && time <= duration(to)) return time;
    throw new RangeError(`is not from ${from} to ${to} (a number without a unit is milliseconds)`);
  },
  size(given: unknown, { least }: Option) {
    const bytes = size(given);
    if (least === undefined || bytes >= size(least)) return bytes;
    throw new RangeError(`is less than ${least}`);
  },
  names: list((text) => {
    const names = text.split(",").map((name) => name.trim()).filter(Boolean);
    if (text !== "" && names.length === 0) throw new RangeError("names nothing");
    return names;
  }),
  paths: list(parsePaths),
  omittedPaths: list(parseOmitted),
  collection: textual((text) => namespaceText(collectionOf(text))),
  filter: parseFilter,
  pipeline: parsePipeline,
  partition: parsePartitionBy,
  retention: textual(parseRetention),
  replicas(given: unknown) {
    const text = String(given);
    if (/^\d+(?:-(?:\d+|all))?$/.test(text)) return text;
    throw new RangeError("is not a number of replicas such as 1, 0-1 or 0-all");
  },
  sinkUrl: textual(parseSinkUrl),
  token: textual((text) => {
    if (!ONE_WEB_TOKEN.test(text)) throw new RangeError("is not a JSON Web Token");
    return text;
  }),
  password: textual((text) => {
    if (!/^[\x21-\x7e]{16,}$/.test(text)) {
      throw new RangeError("has fewer than 16 characters, or others than ASCII");
    }
    return text;
  }),
  certificate: textual((path) => pemFile(path, /-----BEGIN CERTIFICATE-----/, "a certificate")),
  privateKey: textual((path) => {
    const pem = pemFile(path, /-----BEGIN [A-Z ]*PRIVATE KEY-----/, "a private key");
    if (!/-----BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(pem)) return pem;
    throw new RangeError("names a file with a key that needs a passphrase");
  }),
  table: textual((text) => {
    tableName(text, "doc");
    return text;
  }),
  worker: textual(parsePart),
  address: textual(parseListenAddress),
  time: textual(operationTime),
  webhook: textual(parseWebhook),
  // The form of the file checks them.
  hooks: (given: unknown) => (given === "" ? [] : given) as readonly Hook[],
  types: parseTypes,
  fulltext: parseFulltext,
  tableSettings: (given: unknown): TableSettings =>
    Object.fromEntries(
      entriesOf(given).map(([name, value]) => ofEntry(name, value, () => [name, setting(name, value)])),
    ),
  mix: textual(parseMix),
  seed: (given: unknown) => given === "random" ? Math.floor(Math.random() * 2 ** 32) : count(given, {}),
} satisfies Readonly<Record<Option["type"], (given: unknown, option: Option) => unknown>>;

function setting(name: string, value: unknown): TableSettings[string] {
  if (name.startsWith("blocks.")) throw new RangeError("would close the table to its relay");
  if (name === "number_of_replicas") throw new RangeError("is the setting replicas");
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return value;
  throw new RangeError("is not a text, a number, true or false");
}

function pemFile(path: string, block: RegExp, what: string): string {
  let pem;
  try {
    pem = readFileSync(path, "utf8");
  } catch {
    throw new RangeError("names a file that cannot be read");
  }
  if (!block.test(pem)) throw new RangeError(`names a file without ${what} in PEM`);
  return pem;
}
