/** Completion scripts for shells, made from the tables of commands and options. */
import type { Option } from "../config/options/option.ts";
import { choicesOf } from "../config/options/options.ts";
import { type Switch, switchesOf } from "../config/options/switches.ts";
import { INSTALLED_NAME, PROGRAM as SCRIPT_NAME } from "../util/version.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = typeof SHELLS[number];

/** What a script needs to know of a command. */
export interface Completed {
  readonly summary: string;
  readonly options: readonly Option[];
  /** The value that follows the command, without a flag. */
  readonly argument?: Argument;
}

/** A value that is one of several words. */
export interface Argument {
  readonly name: string;
  readonly choices: readonly string[];
}

/** The commands by their names. */
export type CompletedCommands = Readonly<Record<string, Completed>>;

/** The names that the program is installed under; the first is the README's. */
const PROGRAMS = [INSTALLED_NAME, SCRIPT_NAME] as const;
const [PROGRAM] = PROGRAMS;

const HELP = "Help for the program or, after a command, for that command";
const VERSION = "The version";

/**
 * The script that completes commands, options, their choices, and names of files after options that take one.
 *
 * @example
 * IN: "fish", {"cdc-relay": {summary: "Replicate …", options: […]}, …}
 * OUT: "complete -c mongodb-cdc-cratedb -f …"
 */
export const completionScript = (shell: Shell, commands: CompletedCommands): string =>
  SCRIPTS[shell](Object.entries(commands).map(([name, command]) => ({ name, ...command }))).join("\n");

interface Named extends Completed {
  readonly name: string;
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly Named[]) => readonly string[]>> = {
  // Works in bash 3.2 too, and whether or not `=` separates words.
  bash: (commands) => [
    "_mongodb_cdc_cratedb() {",
    "  local word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]} before='' words='' files=''",
    "  COMPREPLY=()",
    "  if [[ $word == '=' ]]; then",
    "    word=''",
    "  elif [[ $flag == '=' ]]; then",
    "    flag=${COMP_WORDS[COMP_CWORD - 2]}",
    "  elif [[ $word == --*=* ]]; then",
    "    flag=${word%%=*} before=${word%%=*}= word=${word#*=}",
    "  fi",
    "  if ((COMP_CWORD == 1)); then",
    `    words='${[...commands.map(({ name }) => name), "--help", "--version"].join(" ")}'`,
    "  else",
    '    case "${COMP_WORDS[1]} $flag" in',
    ...commands.flatMap(({ name, options }) =>
      options.map((option) =>
        `      '${name} --${option.flag}') ${
          takesFile(option) ? "files=yes" : `words='${choicesOf(option).join(" ")}'`
        } ;;`
      )
    ),
    ...commands.map(({ name, options, argument }) =>
      argument
        ? `      '${name} '*) [[ $word == -* ]] && words='${flagsOf(options)}' || words='${
          argument.choices.join(" ")
        }' ;;`
        : `      '${name} '*) words='${flagsOf(options)}' ;;`
    ),
    "    esac",
    "  fi",
    "  if [[ $files ]]; then",
    "    compopt -o filenames 2>/dev/null",
    '    COMPREPLY=($(compgen -P "$before" -f -- "$word"))',
    "  else",
    '    COMPREPLY=($(compgen -P "$before" -W "$words" -- "$word"))',
    "  fi",
    "}",
    `complete -F _mongodb_cdc_cratedb ${PROGRAMS.join(" ")}`,
  ],
  zsh: (commands) => [
    `#compdef ${PROGRAMS.join(" ")}`,
    `compdef _${PROGRAM} ${PROGRAMS.join(" ")}`,
    "",
    `_${PROGRAM}() {`,
    "  local -a commands=(",
    ...commands.map(({ name, summary }) => `    ${zshQuoted(`${name}:${summary}`)}`),
    "  )",
    "  if ((CURRENT == 2)); then",
    "    _describe -t commands command commands",
    `    _arguments ${zshQuoted(`--help[${HELP}]`)} ${zshQuoted(`--version[${VERSION}]`)}`,
    "    return",
    "  fi",
    "  local command=$words[2]",
    "  shift words",
    "  ((CURRENT--))",
    "  case $command in",
    ...commands.flatMap(({ name, options, argument }) => [
      `    ${name})`,
      [
        "      _arguments",
        ...argument ? [zshQuoted(`:${argument.name}:(${argument.choices.join(" ")})`)] : [],
        ...options.map(zshOption),
        ...switchesOf(options).map(zshSwitch),
        zshQuoted(`--help[${HELP}]`),
      ].join(" \\\n        "),
      "      ;;",
    ]),
    "  esac",
    "}",
    "",
    "# A file of fpath runs when it is first needed; a sourced one does not.",
    `[[ $funcstack[1] != _${PROGRAM} ]] || _${PROGRAM} "$@"`,
  ],
  fish: (commands) => [
    "function __mongodb_cdc_cratedb_command_is",
    "    set -l words (commandline -opc)",
    '    test "$words[2]" = "$argv[1]"',
    "end",
    "",
    `for program in ${PROGRAMS.join(" ")}`,
    ...[
      "-f",
      ...commands.map(({ name, summary }) => `${fishWhen("")} -a ${name} -d ${fishQuoted(summary)}`),
      `${fishWhen("")} -l help -d ${fishQuoted(HELP)}`,
      `${fishWhen("")} -l version -d ${fishQuoted(VERSION)}`,
      ...commands.flatMap(({ name, options, argument }) => [
        ...argument ? [`${fishWhen(name)} -a ${fishQuoted(argument.choices.join(" "))}`] : [],
        ...options.map((option) => `${fishWhen(name)} ${fishOption(option)}`),
        ...switchesOf(options).map(({ flag, short, help }) =>
          `${fishWhen(name)} -s ${short} -l ${flag} -d ${fishQuoted(help)}`
        ),
        `${fishWhen(name)} -l help -d ${fishQuoted(HELP)}`,
      ]),
    ].map((rest) => `    complete -c $program ${rest}`),
    "end",
  ],
};

const takesFile = ({ value }: Option): boolean => value === "FILE";

const flagsOf = (options: readonly Option[]): string =>
  [...options, ...switchesOf(options), { flag: "help" }].map(({ flag }) => `--${flag}`).join(" ");

const zshQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Brackets end a description, and a colon separates it from what follows. */
const zshDescription = (text: string): string => `[${text.replace(/[\\[\]:]/g, "\\$&")}]`;

function zshOption(option: Option): string {
  const { flag, value, help, list } = option;
  const choices = choicesOf(option);
  const values = choices.length > 0 ? `(${choices.join(" ")})` : takesFile(option) ? "_files" : " ";
  const message = value.replace(/[\\:]/g, "\\$&");
  return zshQuoted(`${list ? "*" : ""}--${flag}=${zshDescription(help)}:${message}:${values}`);
}

const zshSwitch = ({ flag, short, help }: Switch): string =>
  `'(-${short} --${flag})'{-${short},--${flag}}${zshQuoted(zshDescription(help))}`;

const fishQuoted = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;

const fishWhen = (command: string): string =>
  `-n ${fishQuoted(`__mongodb_cdc_cratedb_command_is ${command || '""'}`)}`;

function fishOption(option: Option): string {
  const choices = choicesOf(option);
  const values = choices.length > 0 ? ` -a ${fishQuoted(choices.join(" "))}` : "";
  return `-l ${option.flag} ${takesFile(option) ? "-rF" : `-x${values}`} -d ${fishQuoted(option.help)}`;
}
