/** The form of `relay.yaml`, made from the option table. The parsers of the options check the values further. */
import * as v from "valibot";
import type { Option, OptionTable } from "./option.ts";
import { PROCESS } from "./options.ts";
import { COLLECTION, CRATEDB, MONGODB, SCOPE, STREAM } from "./relay_options.ts";

const text = v.pipe(v.string(), v.minLength(1));
const texts = v.union([text, v.array(text)]);
/** The schemas of objects accept arrays. */
const mappable = v.custom<Readonly<Record<string, unknown>>>((value) =>
  value !== null && typeof value === "object" && !Array.isArray(value)
);
const document = v.pipe(mappable, v.record(v.string(), v.unknown()));
const pattern = (source: RegExp) => v.pipe(v.string(), v.regex(source));

/** The forms of values in a file, by type. */
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
};

/** A secret, the variable that has it, or the file. */
const secret = v.union([text, mapping({ env: text }), mapping({ file: text })]);

/** Of all unknown keys, each is an issue; `strictObject()` would report the first one alone. */
function mapping(entries: Readonly<Record<string, v.GenericSchema>>) {
  // Without a prototype, so that `toString` is unknown, too.
  const known: typeof entries = Object.assign(Object.create(null), entries);
  return v.pipe(mappable, v.objectWithRest(known, v.never()));
}

const descriptionOf = ({ help, details = "", default: fallback }: Option): string =>
  [`${help}.`, details, fallback ? `Default: ${fallback}.` : ""].filter(Boolean).join(" ");

const formOf = (option: Option): v.GenericSchema =>
  v.pipe(
    option.secret ? secret : FORMS[option.type]?.(option) ?? text,
    v.description(descriptionOf(option)),
  );

/** Settings, none of which is required. */
const settings = (table: OptionTable): Record<string, v.GenericSchema> =>
  Object.fromEntries(Object.entries(table).map(([name, option]) => [name, v.optional(formOf(option))]));

/** In the file, an option of a server lacks its name. @example IN: "mongodb", {mongodbUrl} → OUT: {url: {…}} */
const serverTable = (server: string, table: OptionTable): OptionTable =>
  Object.fromEntries(
    Object.entries(table).map(([name, option]) => {
      const rest = name.slice(server.length);
      return [rest.charAt(0).toLowerCase() + rest.slice(1), option];
    }),
  );

/** @example IN: "mongodb", "url" → OUT: mongodbUrl */
export const serverOption = (server: string, key: string): string =>
  `${server}${key.charAt(0).toUpperCase()}${key.slice(1)}`;

/** The tables of each part of the file. A part below a stream has those of the stream, too. */
export const SERVERS = { mongodb: serverTable("mongodb", MONGODB), cratedb: serverTable("cratedb", CRATEDB) };
export const DEFAULTS: OptionTable = { ...STREAM, ...COLLECTION };
export const OF_STREAM: OptionTable = { ...SCOPE, ...DEFAULTS };

const servers = () => ({
  mongodb: v.optional(mapping(settings(SERVERS.mongodb))),
  cratedb: v.optional(mapping(settings(SERVERS.cratedb))),
});

/** Made when it is needed: it takes a moment. */
export const relaySchema = (): v.GenericSchema =>
  mapping({
    version: v.pipe(v.literal(1), v.description("The version of this format.")),
    ...servers(),
    ...settings(PROCESS),
    defaults: v.optional(mapping(settings(DEFAULTS))),
    streams: v.pipe(
      mappable,
      v.record(
        text,
        mapping({
          ...servers(),
          ...settings(OF_STREAM),
          collections: v.optional(v.pipe(mappable, v.record(text, mapping(settings(COLLECTION))))),
        }),
      ),
      v.minEntries(1),
    ),
  });
