/** Runs `config check`, `config show`, `config init` and `config schema`. */
import { existsSync, readFileSync } from "node:fs";
import schema from "../../relay.schema.json" with { type: "json" };
import { ConfigError, problemText } from "../config/config_error.ts";
import { effectiveOf, type Setting, settingsIn } from "../config/effective.ts";
import { PROCESS } from "../config/options.ts";
import { find, type Given, readOptions } from "../config/read.ts";
import { readRelayFile, type RelayFile } from "../config/relay_file.ts";
import { relayFileText } from "../config/relay_init.ts";
import { FILE } from "../config/relay_options.ts";
import { relayConfig } from "../config/relay_settings.ts";
import { quoteTable, tableFor } from "../sink/sql/names.ts";
import { messageOf, UsageError } from "../util/errors.ts";
import { terminalColumns } from "../util/standard_streams.ts";
import { textTable } from "../util/text.ts";
import type { CommandContext } from "./command.ts";

type RunContext = Pick<CommandContext, "print">;

/** The file has errors. */
const WRONG = 2;
const DEFAULT_PATH = "relay.yaml";
const WIDTH_ELSEWHERE = 1_000;

/** Prints each error on its own line. Returns the exit code. */
export function checkFile(given: Given, { print }: RunContext): number {
  const path = pathOf(given);
  try {
    const { streams, warnings } = fileOf(path, given);
    for (const warning of warnings) print(`Warning: ${warning}`);
    print(`${path} is right. Its streams: ${streams.map(({ name }) => name).join(", ")}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) print(messageOf(problemText(path, problem)));
    return WRONG;
  }
}

/** Prints the settings of the process and of each stream; with `--collection`, those of one collection of the file. */
export function showSettings(given: Given, { print }: RunContext): void {
  const path = pathOf(given);
  const isAsked = find("config", FILE.config, given) !== undefined;
  const texts = isAsked || existsSync(path) ? textsOfFile(path, given) : textsOfFlags(given);
  print(texts.join("\n\n"));
}

function textsOfFlags(given: Given): string[] {
  relayConfig(given);
  readOptions(PROCESS, given);
  return [
    settingsText("Process", settingsIn(PROCESS, given)),
    settingsText("Stream", effectiveOf(given).effective),
  ];
}

function textsOfFile(path: string, given: Given): string[] {
  const { collection, ...flags } = given.flags ?? {};
  const file = fileOf(path, { ...given, flags });
  if (collection !== undefined) return textsOfCollection(collection, file);
  const streams = file.streams.flatMap(({ name, effective, collections }) => [
    settingsText(`Stream ${name}`, effective),
    ...collections.map((each) =>
      settingsText(`Collections ${each.pattern} of stream ${name}`, differing(effective, each.effective))
    ),
  ]);
  return [settingsText("Process", file.processEffective), ...streams];
}

/** @param text such as shop.orders */
function textsOfCollection(text: string, { streams }: RelayFile): string[] {
  const [database = "", ...rest] = text.split(".");
  const namespace = { database, collection: rest.join(".") };
  const owners = streams.filter(({ settings }) => settings.scope.includes(namespace));
  if (owners.length === 0) {
    throw new UsageError(`No stream has the collection ${text} in its scope`, {
      hint: `Write it as database.collection. Scopes: ${
        streams.map(({ settings }) => `${settings.scope}`).join("; ")
      }`,
    });
  }
  return owners.map(({ name, settings, effectiveFor }) => {
    const table = tableFor(settings.namesIn(settings.sink.schema).tableOf(namespace), namespace);
    return settingsText(`${text} of stream ${name}, table ${quoteTable(table)}`, effectiveFor(namespace));
  });
}

/** The settings that a collection does not have from its stream. */
const differing = (ofStream: readonly Setting[], ofCollection: readonly Setting[]): readonly Setting[] =>
  ofCollection.filter(({ name, origin }) => ofStream.find((each) => each.name === name)?.origin !== origin);

function settingsText(title: string, settings: readonly Setting[]): string {
  const rows = settings.map(({ name, text, origin }) => [name, text, origin]);
  const table = textTable(
    { header: ["setting", "value", "origin"], rows },
    terminalColumns() ?? WIDTH_ELSEWHERE,
  );
  return [`${title}:`, ...table.map((line) => `  ${line}`)].join("\n");
}

/** Prints a file that has the settings of flags and variables, which are checked before. */
export function printFile(given: Given, { print }: RunContext): void {
  relayConfig(given);
  readOptions(PROCESS, given);
  print(relayFileText(given).trimEnd());
}

export function printSchema({ print }: RunContext): void {
  print(JSON.stringify(schema, null, 2));
}

const pathOf = (given: Given): string => String(find("config", FILE.config, given)?.value ?? DEFAULT_PATH);

function fileOf(path: string, given: Given): RelayFile {
  const stream = find("stream", FILE.stream, given)?.value;
  return readRelayFile(textOf(path), {
    ...given,
    path,
    stream: stream === undefined ? undefined : String(stream),
  });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`The file cannot be read: ${path}`, {
      hint: "Name another file, or print a first one: config init",
      cause,
    });
  }
}
