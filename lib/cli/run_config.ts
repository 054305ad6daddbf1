/** Runs `config check`, `config show`, `config init` and `config schema`. */
import { existsSync } from "node:fs";
import schema from "../../relay.schema.json" with { type: "json" };
import { configOf } from "../config/config.ts";
import { effectiveFor, effectiveOf, type Setting, settingsIn } from "../config/effective.ts";
import { ConfigError } from "../config/file_parts.ts";
import { PROCESS } from "../config/options.ts";
import { type Given, readOptions } from "../config/read.ts";
import { openRelayFile, type RelayFile } from "../config/relay_file.ts";
import { relayFileText } from "../config/relay_init.ts";
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

const pathOf = (given: Given): string => configOf(given) ?? DEFAULT_PATH;

export const openFile = (given: Given): RelayFile => openRelayFile(pathOf(given), given);

/** Prints each error on its own line. Returns the exit code. */
export function checkFile(given: Given, { print }: RunContext): number {
  try {
    const { streams, warnings } = openFile(given);
    for (const warning of warnings) print(`Warning: ${warning}`);
    print(`${pathOf(given)} is right. Its streams: ${streams.map(({ name }) => name).join(", ")}`);
    return 0;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // A long message is cut, so each error is a message.
    print(error.lines.map(messageOf).join("\n"));
    return WRONG;
  }
}

/** Prints the settings of the process and of each stream; with `--collection`, those of one collection of the file. */
export function showSettings(given: Given, { print }: RunContext): void {
  if (configOf(given) === undefined && !existsSync(DEFAULT_PATH)) {
    checkFlags(given);
    const process = settingsText("Process", settingsIn(PROCESS, given));
    print(`${process}\n\n${settingsText("Stream", effectiveOf(given).effective)}`);
    return;
  }
  const { collection, ...flags } = given.flags ?? {};
  const file = openFile({ ...given, flags });
  print((collection === undefined ? textsOf(file) : textsOfCollection(collection, file)).join("\n\n"));
}

/** @throws UsageError */
function checkFlags(given: Given): void {
  relayConfig(given);
  readOptions(PROCESS, given);
}

const textsOf = ({ processEffective, streams }: RelayFile): string[] => [
  settingsText("Process", processEffective),
  ...streams.flatMap(({ name, effective, collections }) => [
    settingsText(`Stream ${name}`, effective),
    ...collections.map((each) => {
      const own = each.effective.filter((setting) =>
        !effective.some(({ name, origin }) => name === setting.name && origin === setting.origin)
      );
      return settingsText(`Collections ${each.pattern} of stream ${name}`, own);
    }),
  ]),
];

/** @param text such as shop.orders */
function textsOfCollection(text: string, { streams }: RelayFile): string[] {
  const [database = "", ...rest] = text.split(".");
  const namespace = { database, collection: rest.join(".") };
  const owners = streams.filter(({ settings }) => settings.scope.includes(namespace));
  if (owners.length === 0) {
    const scopes = streams.map(({ settings }) => `${settings.scope}`).join("; ");
    throw new UsageError(`No stream has the collection ${text} in its scope`, {
      hint: `Write it as database.collection. Scopes: ${scopes}`,
    });
  }
  return owners.map((stream) => {
    const { name, settings: { namesIn, sink } } = stream;
    const table = quoteTable(tableFor(namesIn(sink.schema).tableOf(namespace), namespace));
    return settingsText(`${text} of stream ${name}, table ${table}`, effectiveFor(stream, namespace));
  });
}

function settingsText(title: string, settings: readonly Setting[]): string {
  const rows = settings.map(({ name, text, origin }) => [name, text, origin]);
  const table = textTable({ header: ["setting", "value", "origin"], rows }, terminalColumns() ?? Infinity);
  return [`${title}:`, ...table].join("\n  ");
}

/** Prints a file that has the settings of flags and variables, which are checked before. */
export function printFile(given: Given, { print }: RunContext): void {
  checkFlags(given);
  print(relayFileText(given).trimEnd());
}

export function printSchema({ print }: RunContext): void {
  print(JSON.stringify(schema, null, 2));
}
