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
export function showSettings(
  given: Given,
  { columns = Infinity, print }: Pick<CommandContext, "columns" | "print">,
): void {
  print(shownSettings(given).map((each) => settingsText(each, columns)).join("\n\n"));
}

/** Settings with their title. */
type Shown = readonly [title: string, settings: readonly Setting[]];

function shownSettings(given: Given): readonly Shown[] {
  if (configOf(given) === undefined && !existsSync(DEFAULT_PATH)) {
    checkFlags(given);
    return [["Process", settingsIn(PROCESS, given)], ["Stream", effectiveOf(given).effective]];
  }
  const { collection, ...flags } = given.flags ?? {};
  const file = openFile({ ...given, flags });
  return collection === undefined ? shownOf(file) : shownOfCollection(collection, file);
}

/** @throws UsageError */
function checkFlags(given: Given): void {
  relayConfig(given);
  readOptions(PROCESS, given);
}

const shownOf = ({ processEffective, streams }: RelayFile): readonly Shown[] => [
  ["Process", processEffective],
  ...streams.flatMap(({ name, effective, collections }): readonly Shown[] => [
    [`Stream ${name}`, effective],
    ...collections.map((each): Shown => {
      const own = each.effective.filter((setting) =>
        !effective.some(({ name, origin }) => name === setting.name && origin === setting.origin)
      );
      return [`Collections ${each.pattern} of stream ${name}`, own];
    }),
  ]),
];

/** @param text such as shop.orders */
function shownOfCollection(text: string, { streams }: RelayFile): readonly Shown[] {
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
    return [`${text} of stream ${name}, table ${table}`, effectiveFor(stream, namespace)];
  });
}

function settingsText([title, settings]: Shown, width: number): string {
  const rows = settings.map(({ name, text, origin }) => [name, text, origin]);
  const table = textTable({ header: ["setting", "value", "origin"], rows }, width - 2);
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
