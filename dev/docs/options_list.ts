/** The options as `docs/options.md` lists them. */
import { flagOf, type OptionTable, switchesOf, variablesOf } from "../../lib/config/option.ts";
import { grouped, OPTIONS, PROCESS } from "../../lib/config/options.ts";
import { placeholderOf } from "../../lib/config/parsers.ts";
import { RELAY, reloadOf } from "../../lib/config/relay_options.ts";

const MAIN = "cdc-relay";

/**
 * A list below each heading of the help. Options that commands share are one item.
 *
 * @example
 * OUT: ### Target (CrateDB)\n\n- `--on-drop keep|truncate|drop`, `CDC_ON_DROP`, default `keep`: After a drop …\n
 */
export function optionLists(): string {
  const commands = Object.entries<OptionTable>(OPTIONS);
  const programs = new Set(commands.map(([command]) => command.replace(/ .*/, "")));
  const titles = new Map<string, Map<string, string[]>>();
  for (const [command, table] of commands) {
    for (const [title, options] of grouped(table)) {
      const items = titles.get(title) ?? new Map<string, string[]>();
      titles.set(title, items);
      for (const item of itemsOf(options)) {
        items.set(item, [...new Set([...items.get(item) ?? [], command.replace(/ .*/, "")])]);
      }
    }
  }
  return [...titles].sort(([one], [other]) => rank(one) - rank(other)).map(([title, items]) =>
    `### ${title}\n\n${
      [...items].map(([item, users]) => `- ${item}${usersText(users, programs.size)}\n`).join("")
    }`
  ).join("\n");
}

/** @example IN: ["cdc-relay", "verify", "config"] → OUT: " (cdc-relay, verify)" */
const usersText = (users: readonly string[], commands: number): string => {
  if (users.length === commands) return " (all commands)";
  // `config` has the options of the relay.
  const named = users.includes(MAIN) ? users.filter((each) => each !== "config") : users;
  return named.join() === MAIN ? "" : ` (${named.join(", ")})`;
};

/** The options of one command are last. */
const rank = (title: string): number => title === "Options" ? 1 : 0;

/** Those with a value in `relay.yaml`, which a reload may change. */
const OF_FILE: OptionTable = { ...RELAY, ...PROCESS };

const itemsOf = (table: OptionTable): string[] =>
  Object.entries(table).map(([name, option]) => {
    const { secret, default: fallback = "", help, details } = option;
    const file = secret ? [code(`--${flagOf(name)}-file FILE`)] : [];
    const switches = switchesOf({ [name]: option }).map(({ flag, letter, value }) =>
      `${code(`--${flag}`)}, ${code(`-${letter}`)} for ${value}`
    );
    const names = [code(`--${flagOf(name)} ${placeholderOf(option)}`), ...file, ...switches];
    const reload = OF_FILE[name] === option ? [`Reload: ${reloadOf(name)}.`] : [];
    const text = [details ? `${help}. ${details}` : help, ...reload].join(details ? " " : ". ");
    return [
      ...names,
      ...variablesOf(name, option).map(code),
      ...fallback === "" ? [] : [`default ${code(fallback)}`],
    ].join(", ") + `: ${text.replaceAll(/[*_<]/g, "\\$&")}`;
  });

const code = (text: string): string => `\`${text}\``;
