/** The options as `docs/options.md` shows them. */
import type { Option } from "../../lib/cli/options/option.ts";
import { OPTIONS } from "../../lib/cli/options/options.ts";
import { type Switch, switchesOf } from "../../lib/cli/options/switches.ts";

const HEADINGS = ["Flag", "Environment", "Default", "Meaning", "Command"];

/** @example OUT: [["Flag", …], ["`--table [SCHEMA.]TABLE`", "`CRATEDB_TABLE`", "`cdc-testdrive`", "…", "cdc-relay"], …] */
export function optionRows(): string[][] {
  const commands = Object.entries<readonly Option[]>(OPTIONS);
  const users = new Map<string, string[]>();
  for (const [command, options] of commands) {
    for (const cells of [...options.map(optionCells), ...switchesOf(options).map(switchCells)]) {
      const key = JSON.stringify(cells);
      users.set(key, [...users.get(key) ?? [], command]);
    }
  }
  const rows = [...users].map(([key, names]): string[] => [
    ...JSON.parse(key),
    names.length === commands.length ? "all" : names.join(", "),
  ]);
  return [HEADINGS, ...rows];
}

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
