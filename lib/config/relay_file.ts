/** `relay.yaml`: reads, checks and merges the settings of a process and of its streams. */
import { readFileSync } from "node:fs";
import type { RelaySettings } from "../pipeline/settings.ts";
import { tableFor } from "../sink/sql/names.ts";
import { UsageError } from "../util/errors.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { exampleOf } from "./collection_rules.ts";
import { type Effective, type EffectiveFile, effectiveOf, settingsIn } from "./effective.ts";
import { type FileContext, FileParts, type Part } from "./file_parts.ts";
import { variablesOf } from "./option.ts";
import { FILE_PROCESS, PROCESS } from "./options.ts";
import type { Values } from "./parsers.ts";
import { type Environment, find, type Given, readOptions } from "./read.ts";
import { COLLECTION, CRATEDB, FILE, MONGODB, RELAY, SCOPE } from "./relay_options.ts";
import { DEFAULTS, OF_STREAM } from "./relay_schema.ts";
import { relayConfig } from "./relay_settings.ts";

export interface StreamSettings extends Effective {
  /** In the file, and in metrics, logs and traces. */
  readonly name: string;
  /** What the file, flags and variables give: for the settings of other commands. */
  readonly given: Given;
  readonly settings: RelaySettings;
}

export interface RelayFile extends EffectiveFile {
  /** Memory, monitoring, log, and what to do when a stream fails. */
  readonly process: Values<typeof FILE_PROCESS>;
  readonly streams: readonly [StreamSettings, ...StreamSettings[]];
  readonly warnings: readonly string[];
}

/** Opens the file of `--config`. @throws ConfigError for a file with errors; UsageError if it cannot be read */
export function openRelayFile(path: string, given: Given): RelayFile {
  const stream = find("stream", FILE.stream, given)?.value;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`The file cannot be read: ${path}`, {
      hint: "Check that it exists, and that the user of this program may read it.",
      cause,
    });
  }
  return readRelayFile(text, { ...given, path, stream: stream === undefined ? stream : String(stream) });
}

/**
 * Reads a file. A flag or a variable wins over it, for each stream; a variable that the file itself names does not.
 * @throws ConfigError with all problems of the file; UsageError for flags and variables
 */
export function readRelayFile(text: string, context: FileContext): RelayFile {
  const { path, stream, flags = {}, env = {} } = context;
  const file = new FileParts(text, context);
  const process = file.part([], FILE_PROCESS);
  const names = file.keysAt(["streams"]);
  const drafts = draftsOf(file, process, names.filter((name) => stream === undefined || name === stream));
  const outside: Given = { flags, env: without(file.variables, env) };
  readOptions({ ...RELAY, ...PROCESS }, outside);
  if (drafts.length > 1) drafts.forEach((draft) => checkIdentity(draft, outside));
  const [first, ...others] = drafts.flatMap((draft) => streamOf(file, draft, outside) ?? []);
  file.check();
  if (!first) {
    throw new UsageError(`${path} has no stream ${stream}`, { hint: `Its streams: ${names.join(", ")}.` });
  }
  const streams = [first, ...others] as const;
  reportSharedTables(streams, file);
  file.check();
  const given = { ...outside, ...file.given(process) };
  return {
    process: Object.freeze(readOptions(FILE_PROCESS, given)),
    processEffective: settingsIn(FILE_PROCESS, given),
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

type Draft = ReturnType<typeof draftsOf>[number];

function draftsOf(file: FileParts, process: Part, names: readonly string[]) {
  const defaults = file.part(["defaults"], DEFAULTS);
  const [mongodb, cratedb] = [file.server([], "mongodb"), file.server([], "cratedb")];
  return names.map((name) => {
    const path = ["streams", name];
    const collections = [...path, "collections"];
    // All of a server: a login must not be sent to another one.
    const servers = {
      ...file.server(path, "mongodb") ?? mongodb,
      ...file.server(path, "cratedb") ?? cratedb,
    };
    const patterns = file.keysAt(collections);
    return {
      name,
      part: { ...process, ...servers, ...defaults, ...file.part(path, OF_STREAM) },
      rules: Object.fromEntries(
        patterns.map((each) => [each, file.part([...collections, each], COLLECTION)]),
      ),
    };
  });
}

const { table } = COLLECTION;
const { cratedbUrl, cratedbJwt } = CRATEDB;
/** What distinguishes several streams. */
const IDENTITY = { ...SCOPE, table, ...MONGODB, cratedbUrl, cratedbJwt };

/** @throws UsageError if a flag or a variable would replace what distinguishes a stream, or be a login of its own server */
function checkIdentity({ name: stream, part }: Draft, outside: Given): void {
  for (const [name, option] of Object.entries(IDENTITY)) {
    const place = part[name === "cratedbJwt" ? "cratedbUrl" : name]?.path;
    // A scope that the file does not have is a wider one.
    const isOwn = name in SCOPE || place?.[0] === "streams";
    const found = isOwn && find(name, option, outside);
    if (!found) continue;
    throw new UsageError(`${found.source} would replace what the file has for ${stream}`, {
      hint: "Remove it, or choose one stream: --stream NAME",
    });
  }
}

/** Undefined if the settings do not fit together, which is reported. */
function streamOf(file: FileParts, { name, part, rules }: Draft, outside: Given): StreamSettings | undefined {
  const path = ["streams", name];
  const collections = Object.entries(rules).map(([pattern, own]) => ({ pattern, ...file.given(own) }));
  const given: Given = { ...outside, ...file.given(part), collections };
  const settings = file.attempt(path, part, () =>
    relayConfig(given, {
      attempt: (pattern, make) =>
        file.attempt([...path, "collections", pattern], { ...part, ...rules[pattern] }, make),
    }));
  return settings && { ...effectiveOf(given), name, given, settings };
}

/**
 * Reports tables that two streams, or two collections of one, would write: the first of each two streams. Compares the
 * collections that the streams name, and an example for each of their patterns.
 */
function reportSharedTables(streams: readonly StreamSettings[], file: FileParts): void {
  const candidates = new Map(streams.flatMap(namedIn).map((each) => [namespaceText(each), each]));
  const owners = new Map<string, { readonly stream: string; readonly collection: string }>();
  const reported = new Set<string>();
  for (const { name: stream, settings: { scope, sink, namesIn } } of streams) {
    const { tableOf } = namesIn(sink.schema);
    for (const [collection, namespace] of candidates) {
      if (!scope.includes(namespace)) continue;
      const { schema, name } = tableFor(tableOf(namespace), namespace);
      const key = JSON.stringify([sink.host, sink.port, schema, name]);
      const owner = owners.get(key);
      if (!owner) owners.set(key, { stream, collection });
      else if (!reported.has(`${owner.stream} ${stream}`)) {
        reported.add(`${owner.stream} ${stream}`);
        const message = `${collection} of ${stream} would have the table ${schema}.${name}, which is that of`;
        file.report(["streams", stream], `${message} ${owner.collection} of ${owner.stream}`);
      }
    }
  }
}

const namedIn = ({ settings: { scope: { patterns } }, collections }: StreamSettings): Namespace[] =>
  patterns.databases.flatMap((database) =>
    [...patterns.collections, ...collections.map(({ pattern }) => pattern)]
      .map((pattern) => exampleOf(pattern, database))
  );
