/** The options as `docs/options.md` shows them. */
import { flagOf, type OptionTable, switchesOf, variablesOf } from "../../lib/config/option.ts";
import { grouped, OPTIONS } from "../../lib/config/options.ts";
import { placeholderOf } from "../../lib/config/parsers.ts";

const HEADINGS = ["Option, variable", "Default", "Meaning"];
const MAIN = "cdc-relay";

interface Section {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

/**
 * A table for each heading of the help. Options that commands share are one row.
 *
 * @example
 * OUT: [{title: "Target (CrateDB)", rows: [["Option, variable", …], ["`--table [SCHEMA.]TABLE`, `CRATEDB_TABLE`", "", "…"]]}, …]
 */
export function optionTables(): Section[] {
  const commands = Object.entries<OptionTable>(OPTIONS);
  const titles = new Map<string, Map<string, string[]>>();
  for (const [command, table] of commands) {
    for (const [title, options] of grouped(table)) {
      const rows = titles.get(title) ?? new Map<string, string[]>();
      titles.set(title, rows);
      for (const cells of rowsOf(options)) {
        const key = JSON.stringify(cells);
        rows.set(key, [...rows.get(key) ?? [], command]);
      }
    }
  }
  return [...titles].sort(([one], [other]) => rank(one) - rank(other)).map(([title, rows]) => ({
    title,
    rows: [
      HEADINGS,
      ...[...rows].map(([key, users]) => {
        const [option, fallback, meaning] = JSON.parse(key);
        return [option, fallback, `${meaning}${usersText(users, commands.length)}`];
      }),
    ],
  }));
}

/** @example IN: ["cdc-relay", "verify"] → OUT: " (cdc-relay, verify)" */
const usersText = (users: readonly string[], commands: number): string => {
  if (users.length === commands) return " (all commands)";
  return users.length === 1 && users[0] === MAIN ? "" : ` (${users.join(", ")})`;
};

/** The options of commands are last. */
const rank = (title: string): number => title === "Options" ? 1 : 0;

const rowsOf = (table: OptionTable): string[][] =>
  Object.entries(table).flatMap(([name, option]) => {
    const { secret, default: fallback, help, details } = option;
    const file = secret ? [`\`--${flagOf(name)}-file FILE\``] : [];
    return [
      [
        [code(`--${flagOf(name)} ${placeholderOf(option)}`), ...file, ...variablesOf(name, option).map(code)]
          .join(", "),
        fallback === "" ? "" : code(fallback),
        details ? `${help}. ${details}` : help,
      ],
      ...switchesOf({ [name]: option }).map(({ flag, letter, value }) => [
        [`--${flag}`, `-${letter}`].map(code).join(", "),
        "",
        `Same as --${flagOf(name)} ${value}`,
      ]),
    ];
  });

const code = (text: string): string => `\`${text}\``;
