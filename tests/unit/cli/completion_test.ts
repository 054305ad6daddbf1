import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { completionScript, type Shell, SHELLS } from "../../../lib/cli/completion.ts";
import type { Option } from "../../../lib/config/options/option.ts";
import { choicesOf, OPTIONS } from "../../../lib/config/options/options.ts";
import { run } from "../../../dev/process/program.ts";

const PROGRAM = "mongodb-cdc-cratedb";

/** What is typed after the program's name, and what is offered then, sorted. */
const TYPED: readonly (readonly [string, readonly string[]])[] = [
  ["cdc-r", ["cdc-relay"]],
  ["cdc-relay --col", ["--collection", "--columns"]],
  ["cdc-relay --columns ", ["dynamic", "ignored", "typed"]],
  ["cdc-relay --columns=", ["dynamic", "ignored", "typed"]],
  ["cdc-relay --columns=d", ["dynamic"]],
  ["cdc-relay --columns dynamic --wid", ["--widen", "--widen-rows"]],
  ["cdc-relay --table ", []],
  ["cdc-relay --cratedb-ca ", ["a-file"]],
  ["cdc-relay --mongodb-url-file a-", ["a-file"]],
  ["cdc-relay --mongodb-url mongodb://host:27017/ --cratedb-u", ["--cratedb-url", "--cratedb-url-file"]],
  ["cdc-relay --quiet --on-d", ["--on-drop"]],
  ["cdc-relay --database db-workload --on-d", ["--on-drop"]],
  ["cdc-relay --qui", ["--quiet"]],
  ["db-workload --count 3 --lo", ["--log-format", "--log-level"]],
  ["db-workload --col", ["--collection"]],
  ["db-workload --tabl", []],
  ["completion ", ["bash", "fish", "zsh"]],
  ["completion f", ["fish"]],
  ["nonsense --c", []],
  ["--v", ["--version"]],
];

/** Prints a line of candidates for each line that is typed, in a folder with a file. */
type Completer = (script: string, typed: readonly string[]) => Promise<string[]>;

const COMPLETERS: Readonly<Record<Shell, Completer>> = {
  bash: (script, typed) => {
    const words = typed.map((line) => [PROGRAM, ...bashWords(line)].map((word) => `'${word}'`).join(" "));
    return output("bash", [
      "--norc",
      "-c",
      [
        `source ${script}`,
        `handler=$(complete -p ${PROGRAM} | sed 's/.*-F \\([^ ]*\\).*/\\1/')`,
        ...words.map((each) =>
          `COMP_WORDS=(${each}) COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); $handler; echo "\${COMPREPLY[@]}"`
        ),
      ].join("\n"),
    ]);
  },
  zsh: (script, typed) => zsh({ after: `source ${script}` }, typed),
  fish: (script, typed) =>
    output("fish", [
      "--no-config",
      "-c",
      [
        `source ${script}`,
        ...typed.map((line) => `echo (complete -C '${PROGRAM} ${line}' | string replace -r '\\t.*' '')`),
      ].join("\n"),
    ]),
};

/** @example IN: "cdc-relay --columns=" → OUT: ["cdc-relay", "--columns", "="] */
const bashWords = (line: string): string[] =>
  line.replace(/=$/, "").replaceAll("=", " = ").split(" ").concat(line.endsWith("=") ? ["="] : []);

/** zsh completes at a terminal only: it is given one, and what would be offered is written to a file. Set up before and after compinit. */
async function zsh(
  { before = "", after = "" }: { before?: string; after?: string },
  typed: readonly string[],
): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    const inner = join(folder, "inner.zsh");
    const offered = join(folder, "offered");
    await Deno.writeTextFile(
      inner,
      String.raw`
        autoload -Uz compinit
        ${before}
        compinit -u -D
        ${after}
        compadd() {
          if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
          local -a found
          builtin compadd -A found "$@"
          hits+=($found)
        }
        report() { hits=(); zle complete-word; print -r -- $hits >>${offered}; zle kill-whole-line }
        zle -N report
        bindkey '^I' report
        print ready >>${offered}
      `.replaceAll("\\$", "$"),
    );
    const outer = String.raw`
      zmodload zsh/zpty
      : >${offered}
      count=0
      await() {
        ((++count))
        until (($(wc -l <${offered}) >= count)); do zpty -r -t terminal seen; sleep 0.02; done
      }
      zpty terminal zsh -f -i
      zpty -w terminal 'source ${inner}'
      await
      for line; do zpty -w -n terminal "$line"$'\t'; await; done
      cat ${offered}
    `;
    const [, ...lines] = await output("zsh", [
      "-f",
      "-c",
      outer,
      "zsh",
      ...typed.map((line) => `${PROGRAM} ${line}`),
    ]);
    return lines;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function output(program: string, args: readonly string[]): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "a-file"), "");
    const command = new Deno.Command(program, {
      args: [...args],
      cwd: folder,
      stdin: "null",
      signal: AbortSignal.timeout(60_000),
    });
    const { success, stdout, stderr } = await command.output();
    const error = new TextDecoder().decode(stderr);
    assert.ok(success, error);
    assert.equal(error, "");
    return new TextDecoder().decode(stdout).replace(/\n$/, "").split("\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Some shells repeat the flag before a value: --columns=dynamic. */
const candidates = (line: string): string[] =>
  line.split(" ").filter(Boolean).map((word) => word.replace(/^--[a-z-]+=/, "")).sort();

const present = (program: string): boolean => {
  try {
    return new Deno.Command(program, { args: ["-c", "exit"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
};

async function assertCompletes(complete: (typed: readonly string[]) => Promise<string[]>): Promise<void> {
  const [commands = "", ...lines] = await complete(["", ...TYPED.map(([typed]) => typed)]);
  assert.equal(lines.length, TYPED.length);
  for (const command of [...Object.keys(OPTIONS), "completion"]) {
    assert.ok(candidates(commands).includes(command));
  }
  const offered = TYPED.map(([typed], index) => [typed, candidates(lines[index] ?? "")]);
  assert.deepEqual(offered, TYPED);
}

async function withScript(shell: Shell, name: string, test: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stdout, stderr } = await run(["completion", shell]);
    assert.deepEqual([code, stderr], [0, ""]);
    await Deno.writeTextFile(join(folder, name), stdout);
    await test(join(folder, name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const shell of SHELLS) {
  Deno.test(
    `completion ${shell} completes in ${shell}`,
    { ignore: !present(shell) },
    () => withScript(shell, "script", (path) => assertCompletes((typed) => COMPLETERS[shell](path, typed))),
  );
}

Deno.test(
  "completion zsh completes as a file of fpath",
  { ignore: !present("zsh") },
  () =>
    withScript(
      "zsh",
      `_${PROGRAM}`,
      (path) => assertCompletes((typed) => zsh({ before: `fpath=(${dirname(path)} $fpath)` }, typed)),
    ),
);

const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /completion needs a shell: bash, zsh, fish/],
  [["bsh"], /Unknown shell: bsh\nThere are: bash, zsh, fish/],
  [["bash", "zsh"], /Unexpected argument: "zsh"/],
];

for (const [args, message] of WRONG) {
  Deno.test(`completion ${args.join(" ")} is wrong usage`, async () => {
    const { code, stdout, stderr } = await run(["completion", ...args]);
    assert.match(stderr, message);
    assert.deepEqual([code, stdout], [2, ""]);
  });
}

const AWKWARD: Option = {
  flag: "awkward",
  env: [],
  default: "",
  value: "[A:]B",
  help: "It's [odd]: a \\ and $HOME, `x`",
  parse: String,
};

for (const shell of SHELLS) {
  Deno.test(`completionScript() quotes for ${shell}`, { ignore: !present(shell) }, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = join(folder, "script");
      const script = completionScript(shell, { it: { summary: "It's: [this]", options: [AWKWARD] } });
      await Deno.writeTextFile(path, script);
      const [flag = "", value = ""] = await COMPLETERS[shell](path, ["it --aw", "it --awkward "]);
      assert.deepEqual([flag, value].map(candidates), [["--awkward"], []]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("choicesOf() are the values that an option takes", () => {
  for (const option of Object.values<readonly Option[]>(OPTIONS).flat()) {
    const choices = choicesOf(option);
    for (const choice of choices) assert.equal(option.parse(choice), choice);
    if (choices.length > 0) {
      assert.throws(() => option.parse("nonsense"), new RangeError(`is none of ${choices.join(", ")}`));
    }
  }
});
