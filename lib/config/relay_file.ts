/** `relay.yaml`: reads, checks and merges the settings of a process and of its streams. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { UsageError } from "../util/errors.ts";
import type { Namespace } from "../util/namespace.ts";
import { givenFor, isAbout } from "./collection_rules.ts";
import { ConfigError } from "./config_error.ts";
import { type Effective, effectiveFor, effectiveOf, type Setting, settingsIn } from "./effective.ts";
import { FileParts, merged, type Part } from "./file_parts.ts";
import { variablesOf } from "./option.ts";
import { PROCESS } from "./options.ts";
import type { Values } from "./parsers.ts";
import { type CollectionRule, type Environment, find, type Flags, type Given, readOptions } from "./read.ts";
import { COLLECTION, CRATEDB, MONGODB, RELAY, SCOPE } from "./relay_options.ts";
import { DEFAULTS, OF_STREAM } from "./relay_schema.ts";
import { collectionConfig, relayConfig } from "./relay_settings.ts";
import { sharedTables } from "./shared_tables.ts";

/** Settings of the whole process: memory, monitoring, log, and what to do when a stream fails. */
export type ProcessSettings = Values<typeof PROCESS>;

export { ConfigError, type Problem } from "./config_error.ts";
export type { Setting } from "./effective.ts";

export interface StreamSettings extends Effective {
  /** In the file, and in metrics, logs and traces. */
  readonly name: string;
  /** What the file, flags and variables give: for the settings of other commands. */
  readonly given: Given;
  readonly settings: RelaySettings;
  readonly effectiveFor: (namespace: Namespace) => readonly Setting[];
  /** Those names and patterns below `collections` for which these lack a collection. */
  readonly unmatched: (namespaces: readonly Namespace[]) => readonly string[];
}

export interface RelayFile {
  readonly process: ProcessSettings;
  readonly processEffective: readonly Setting[];
  readonly streams: readonly StreamSettings[];
  readonly warnings: readonly string[];
}

export interface FileContext {
  /** The name of the file in messages. */
  readonly path: string;
  readonly flags?: Flags;
  readonly env?: Environment;
  /** Only this stream. @default {all} */
  readonly stream?: string | undefined;
}

/**
 * Reads a file. A flag or a variable wins over it, for each stream; a variable that the file itself names does not.
 *
 * @example
 * IN: "version: 1\nstreams: { shop: { database: shop } }", {path: "relay.yaml"}
 * OUT: {process: {maxMemory: 268435456, …}, streams: [{name: "shop", settings: {scope: shop.*, …}, …}], warnings: [], …}
 * @throws ConfigError with all problems of the file; UsageError for flags and variables
 */
export function readRelayFile(text: string, context: FileContext): RelayFile {
  const { path, stream, flags = {}, env = {} } = context;
  const file = new FileParts(text, { path, env, stream });
  const check = () => {
    if (file.problems.length > 0) throw new ConfigError(path, file.problems);
  };
  check();
  const process = file.part([], PROCESS);
  const names = file.keysAt(["streams"]);
  const drafts = draftsOf(file, process, names.filter((name) => stream === undefined || name === stream));
  if (drafts.length === 0) {
    throw new UsageError(`${path} has no stream ${stream}`, { hint: `Its streams: ${names.join(", ")}.` });
  }
  const outside: Given = { flags, env: without(file.variables, env) };
  readOptions({ ...RELAY, ...PROCESS }, outside);
  checkIdentity(drafts, outside);
  const streams = drafts.flatMap((draft) => streamOf(file, draft, outside));
  check();
  for (const { stream, message } of sharedTables(streams)) file.report(["streams", stream], message);
  check();
  const given = { ...outside, options: process.options, places: file.placesOf(process) };
  return {
    process: Object.freeze(readOptions(PROCESS, given)),
    processEffective: settingsIn(PROCESS, given),
    streams,
    warnings: file.warnings,
  };
}

/** The variables, except all of those options of which the file names one. */
function without(named: ReadonlySet<string>, env: Environment): Environment {
  const variables = Object.entries(RELAY).map(([name, option]) => variablesOf(name, option));
  const taken = variables.filter((each) => each.some((name) => named.has(name))).flat();
  const isTaken = (name: string) => taken.includes(name.replace(/_FILE$/, ""));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !isTaken(name)));
}

interface Draft {
  readonly name: string;
  readonly part: Part;
  readonly rules: readonly { readonly pattern: string; readonly part: Part }[];
}

function draftsOf(file: FileParts, process: Part, names: readonly string[]): Draft[] {
  const defaults = file.part(["defaults"], DEFAULTS);
  const [mongodb, cratedb] = [file.server([], "mongodb"), file.server([], "cratedb")];
  return names.map((name) => {
    const path = ["streams", name];
    const collections = [...path, "collections"];
    return {
      name,
      part: merged(
        process,
        // All of it: a login must not be sent to another server.
        file.server(path, "mongodb") ?? mongodb,
        file.server(path, "cratedb") ?? cratedb,
        defaults,
        file.part(path, OF_STREAM),
      ),
      rules: file.keysAt(collections).map((pattern) => ({
        pattern,
        part: file.part([...collections, pattern], COLLECTION),
      })),
    };
  });
}

const IDENTITY = {
  ...SCOPE,
  table: COLLECTION.table,
  mongodbUrl: MONGODB.mongodbUrl,
  cratedbUrl: CRATEDB.cratedbUrl,
};

/** @throws UsageError if a flag or a variable replaced what distinguishes several streams */
function checkIdentity(drafts: readonly Draft[], outside: Given): void {
  if (drafts.length < 2) return;
  for (const [name, option] of Object.entries(IDENTITY)) {
    const found = find(name, option, outside);
    const owners = drafts.filter(({ part }) => part.paths[name]?.[0] === "streams");
    if (!found || owners.length === 0) continue;
    const streams = owners.map(({ name }) => name).join(", ");
    throw new UsageError(`${found.source} would replace what the file has for ${streams}`, {
      hint: "Remove it, or choose one stream: --stream NAME",
    });
  }
}

/** Empty if the settings do not fit together. */
function streamOf(file: FileParts, { name, part, rules }: Draft, outside: Given): StreamSettings[] {
  const path = ["streams", name];
  const whole: Given = { ...outside, options: part.options, places: file.placesOf(part) };
  const ofAll = file.attempt(path, part, () => relayConfig(whole));
  if (!ofAll) return [];
  const { scope, sink: { schema } } = ofAll;
  const collections = rules.map(({ pattern, part }): CollectionRule => (
    { pattern, options: part.options, places: file.placesOf(part) }
  ));
  const fit = collections.filter((rule, at) => {
    const { pattern } = rule;
    const make = () => collectionConfig(givenFor(whole, rule), { scope, schema, pattern });
    return file.attempt([...path, "collections", pattern], merged(part, rules[at]?.part), make);
  });
  if (fit.length < rules.length) return [];
  const given: Given = { ...whole, collections };
  const effective = effectiveOf(given);
  return [{
    ...effective,
    name,
    given,
    settings: relayConfig(given),
    effectiveFor: (namespace) => effectiveFor(effective, namespace),
    unmatched: (namespaces) =>
      rules.map(({ pattern }) => pattern).filter((each) =>
        !namespaces.some((namespace) => scope.includes(namespace) && isAbout(each, namespace))
      ),
  }];
}
