import assert from "node:assert/strict";
import { join } from "node:path";
import { mongodbTest } from "../support/mongodb_harness.ts";
import { run } from "../support/program.ts";

const PROGRAM = join(import.meta.dirname ?? "", "..", "..", "mongodb_cdc_cratedb.ts");

/** Flags and environment, and whether "Workload done", of level info, is logged. */
const LEVELS: readonly (readonly [readonly string[], Record<string, string>, boolean])[] = [
  [[], {}, true],
  [["--quiet"], {}, false],
  [["-q"], {}, false],
  [["--verbose"], {}, true],
  [["-v"], { LOG_LEVEL: "error" }, true],
  [["--quiet"], { LOG_LEVEL: "debug" }, false],
  [["--log-level", "error"], {}, false],
];

for (const [flags, env, shown] of LEVELS) {
  const title = [...Object.entries(env).map((pair) => pair.join("=")), ...flags].join(" ") || "no flag";
  mongodbTest(`the log with ${title}`, async ({ mongodbUrl, database }) => {
    const { code, stdout, stderr } = await run(
      ["db-workload", "--mongodb-url", mongodbUrl, "--database", database, "--count", "2", ...flags],
      { env },
    );
    assert.deepEqual([code, stdout], [0, ""]);
    assert.match(stderr, shown ? /^\d{4}-\d\d-\d\dT\S+ INFO {2}Workload done .*\n$/ : /^$/);
  });
}

for (const target of ["/dev/full", "&-"]) {
  mongodbTest(`the program does its work if its log cannot be written: 2>${target}`, async (context) => {
    const { mongodb, mongodbUrl, database } = context;
    const call = [Deno.execPath(), "run", "-A", "--quiet", PROGRAM, "db-workload", "--count", "20"];
    const { code } = await new Deno.Command("sh", {
      args: [
        "-c",
        `exec "$@" 2>${target}`,
        "sh",
        ...call,
        "--mongodb-url",
        mongodbUrl,
        "--database",
        database,
      ],
      stdin: "null",
    }).output();
    assert.equal(code, 0);
    assert.equal(await mongodb.db(database).collection("data").countDocuments(), 20);
  });
}

mongodbTest(
  "the program works on if its log is not read",
  async ({ mongodb, mongodbUrl, database }) => {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", PROGRAM, "db-workload", "--count", "20", "--database", database],
      env: { MONGODB_URL: mongodbUrl },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    await child.stderr.cancel();
    assert.equal((await child.status).code, 0);
    assert.equal(await mongodb.db(database).collection("data").countDocuments(), 20);
  },
);

/** util-linux's, which gives a program a terminal. */
const scriptIsPresent = (() => {
  try {
    return new Deno.Command("script", { args: ["--version"], stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
})();

const TERMINALS: readonly (readonly [string, Record<string, string>, boolean])[] = [
  ["a terminal", { TERM: "xterm", NO_COLOR: "" }, true],
  ["a terminal with NO_COLOR", { TERM: "xterm", NO_COLOR: "1" }, false],
  ["a terminal that is dumb", { TERM: "dumb", NO_COLOR: "" }, false],
];

if (scriptIsPresent) {
  for (const [what, env, coloured] of TERMINALS) {
    mongodbTest(
      `the log on ${what} is ${coloured ? "" : "not "}coloured`,
      async ({ mongodbUrl, database }) => {
        const call = [
          Deno.execPath(),
          "run",
          "--allow-all",
          "--quiet",
          PROGRAM,
          "db-workload",
          ...["--mongodb-url", mongodbUrl, "--database", database, "--count", "2"],
        ];
        const { code, stdout } = await new Deno.Command("script", {
          args: ["--quiet", "--return", "--command", call.map((word) => `'${word}'`).join(" "), "/dev/null"],
          env,
          stdin: "null",
          signal: AbortSignal.timeout(60_000),
        }).output();
        const shown = new TextDecoder().decode(stdout);
        assert.equal(code, 0, shown);
        assert.match(shown, /Workload done/);
        assert.equal(shown.includes("\x1b["), coloured, JSON.stringify(shown));
      },
    );
  }
}

mongodbTest(
  "the example record's id is all that goes to standard output",
  async ({ mongodbUrl, database }) => {
    const outcome = await run(["db-workload", "--mongodb-url", mongodbUrl, "--database", database, "-q"]);
    assert.match(outcome.stdout, /^[0-9a-f]{24}\n$/);
    assert.deepEqual([outcome.code, outcome.stderr], [0, ""]);
  },
);
