/**
 * The options as the README shows them: `deno run tools/options_table.ts` prints the table to paste.
 */
import { type Option, OPTIONS } from "../lib/options.ts";

const HEADINGS = ["Flag", "Environment", "Default", "Meaning", "Command"];

/** @example OUT: [["Flag", …], ["`--table [SCHEMA.]TABLE`", "`CRATEDB_TABLE`", "`cdc-testdrive`", "…", "cdc-relay"], …] */
export function optionRows(): string[][] {
  const commands = Object.entries<readonly Option[]>(OPTIONS);
  const options = new Map(commands.flatMap(([, options]) => options.map((option) => [option.flag, option])));
  return [
    HEADINGS,
    ...[...options.values()].map(({ flag, value, env, default: fallback, help }) => [
      `\`--${flag} ${value}\``,
      env.map((name) => `\`${name}\``).join(", "),
      `\`${fallback}\``,
      help,
      users(flag, commands),
    ]),
  ];
}

const users = (flag: string, commands: readonly (readonly [string, readonly Option[]])[]): string => {
  const names = commands.filter(([, options]) => options.some((option) => option.flag === flag));
  return names.length === commands.length ? "all" : names.map(([name]) => name).join(", ");
};

const line = (cells: readonly string[]) =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

if (import.meta.main) {
  const [headings = [], ...rows] = optionRows();
  const table = [headings, headings.map(() => "---"), ...rows].map(line).join("\n");
  Deno.stdout.writeSync(new TextEncoder().encode(`${table}\n`));
}
