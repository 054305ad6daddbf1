/** The options as `docs/options.md` shows them. */
import { grouped } from "../../lib/config/options/groups.ts";
import type { Option } from "../../lib/config/options/option.ts";
import { OPTIONS } from "../../lib/config/options/options.ts";
import { type Switch, switchesOf } from "../../lib/config/options/switches.ts";

const HEADINGS = ["Flag", "Environment", "Default", "Meaning", "Command"];

interface OptionTable {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

interface Used<Each> {
  readonly each: Each;
  readonly commands: readonly string[];
}

/**
 * A table for each heading of the help.
 *
 * @example
 * OUT: [{title: "Tables", rows: [["Flag", …], ["`--table [SCHEMA.]TABLE`", "`CRATEDB_TABLE`", "", "…", "cdc-relay"]]}, …]
 */
export function optionTables(): OptionTable[] {
  const used = usesOf(Object.entries<readonly Option[]>(OPTIONS), optionCells);
  return grouped(used.map(({ each }) => each)).map(({ title, options }) => ({
    title,
    rows: [
      HEADINGS,
      ...used.filter(({ each }) => options.includes(each)).map(({ each, commands }) => [
        ...optionCells(each),
        commandsText(commands),
      ]),
      ...usesOf(commandsOf(options), switchCells).map(({ each, commands }) => [
        ...switchCells(each),
        commandsText(commands),
      ]),
    ],
  }));
}

/** The switches of these options, by command. */
const commandsOf = (options: readonly Option[]): [string, readonly Switch[]][] =>
  Object.entries<readonly Option[]>(OPTIONS).map(([command, all]) => [
    command,
    switchesOf(all.filter(({ flag }) => options.some((option) => option.flag === flag))),
  ]);

/** What several commands have with the same text is one row. */
function usesOf<Each>(
  commands: readonly (readonly [string, readonly Each[]])[],
  cells: (each: Each) => string[],
): Used<Each>[] {
  const uses = new Map<string, { each: Each; commands: string[] }>();
  for (const [command, all] of commands) {
    for (const each of all) {
      const key = JSON.stringify(cells(each));
      const use = uses.get(key) ?? { each, commands: [] };
      use.commands.push(command);
      uses.set(key, use);
    }
  }
  return [...uses.values()];
}

const commandsText = (commands: readonly string[]): string =>
  commands.length === Object.keys(OPTIONS).length ? "all" : commands.join(", ");

const optionCells = ({ flag, value, env, default: fallback, help }: Option): string[] => [
  code(`--${flag} ${value}`),
  env.map(code).join(", "),
  fallback === "" ? "" : code(fallback),
  help,
];

const switchCells = ({ flag, short, help }: Switch): string[] => [
  [`--${flag}`, `-${short}`].map(code).join(", "),
  "",
  "",
  help,
];

const code = (text: string): string => `\`${text}\``;
