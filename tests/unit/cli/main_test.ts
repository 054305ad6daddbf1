import assert from "node:assert/strict";
import deno from "../../../deno.json" with { type: "json" };
import { VERSION } from "../../../lib/util/runtime.ts";
import { flagOf, type OptionTable, variablesOf } from "../../../lib/config/option.ts";
import { OPTIONS } from "../../../lib/config/options.ts";
import { main } from "../../../lib/cli/main.ts";
import { type Outcome, run, start } from "../../support/program.ts";

const noTrace = ({ stdout, stderr }: Outcome) => assert.doesNotMatch(stdout + stderr, /^\s+at |\.ts:\d+/m);

Deno.test("the version is that of deno.json", () => assert.equal(VERSION, deno.version));

Deno.test("--version", async () => {
  for (const flag of ["--version", "-V"]) {
    const { code, stdout, stderr } = await run([flag]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^\\S+ ${RegExp.escape(deno.version)}\n$`));
    assert.equal(stderr, "");
  }
});

Deno.test("--help lists the commands", async () => {
  for (const flag of ["--help", "-h", "help"]) {
    const { code, stdout, stderr } = await run([flag]);
    assert.equal(code, 0);
    for (const command of Object.keys(OPTIONS)) assert.match(stdout, new RegExp(`^  ${command} +\\S`, "m"));
    assert.equal(stderr, "");
  }
});

for (const [command, options] of Object.entries<OptionTable>(OPTIONS)) {
  Deno.test(`${command} --help lists every option with its default, and the variables`, async () => {
    const { code, stdout } = await run([...command.split(" "), "--help"]);
    assert.equal(code, 0);
    const variables = stdout.slice(stdout.indexOf("Environment variables"));
    for (const [name, option] of Object.entries(options)) {
      const [, text] = stdout.split(`  --${flagOf(name)} `);
      assert.ok(text, `--${flagOf(name)} is missing`);
      const entry = text.split("\n  -")[0] ?? "";
      assert.ok(entry.includes(option.default ?? ""), `--${flagOf(name)}: ${option.default} is missing`);
      for (const each of variablesOf(name, option)) assert.ok(variables.includes(each), `${each} is missing`);
    }
  });
}

/** Arguments, and the error. */
const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /No command given[^]*cdc-relay/],
  [["cdc-rely"], /Unknown command: cdc-rely\nDid you mean cdc-relay\?/],
  [["workload"], /Unknown command: workload\nSee --help\./],
  [
    ["ctl", "--stream=shop", "pause"],
    /ctl needs a second word, before its options: pause, resume/,
  ],
  [["toString"], /Unknown command: toString/],
  [["--frobnicate"], /Unknown command: --frobnicate/],
  [["cdc-relay", "--tabel", "t"], /Unknown option: --tabel\nDid you mean --table\?/],
  [["cdc-relay", "--colection=t"], /Unknown option: --colection\nDid you mean --collection\?/],
  [["cdc-relay", "--frobnicate"], /Unknown option: --frobnicate\nSee cdc-relay --help\./],
  [["cdc-relay", "-x"], /Unknown option: -x/],
  [["cdc-relay", "--count", "3"], /cdc-relay has no option --count\nIt is an option of db-workload\./],
  [["verify", "--repair", "--count-only"], /--compare counts cannot be given with --differences repair/],
  [
    ["cdc-relay", "--lease", "10"],
    /--lease is not from 1s to 24h \(a number without a unit is milliseconds\): current value is "10"/,
  ],
  [["ctl", "pause", "--expires", "forever"], /--expires is not from 1s to 8760h/],
  [["rebuild", "shop.orders", "--target", "shop.users"], /"shop.orders" cannot be given with --target/],
  [
    ["status", "--cratedb-url=crate://", "--cratedb-url-file=u"],
    /--cratedb-url cannot be given with --cratedb-url-file/,
  ],
  [["cdc-relay", "extra"], /Unexpected argument: "extra"/],
  [["cdc-relay", "--table"], /--table needs a value/],
  [["cdc-relay", "--table", "--database", "x"], /--table needs a value/],
  [["cdc-relay", "--table="], /--table is empty/],
  [["cdc-relay", "--database="], /--database is empty/],
  [["cdc-relay", "--database=,"], /--database names nothing/],
  [
    ["cdc-relay", "--database=*", "--table=t"],
    /--table doc\.t would be the table of several collections: \*\.\*/,
  ],
  [
    [
      "cdc-relay",
      "--table=t",
      "--collection",
      "a",
      "--collection=b_*",
      "--collection",
      "c,d",
      "--exclude=x",
      "--exclude=y",
    ],
    /several collections: testdrive\.\{a,b_\*,c,d\} without x,y/,
  ],
  [["cdc-relay", "--omit", "a", "--omit", "_id"], /--omit names _id.*"a,_id"/],
  [["cdc-relay", "--table", "t", "--table", "a.b.c"], /--table is neither.*"a\.b\.c"/],
  [["cdc-relay", "--database", "admin"], /admin belongs to MongoDB itself/],
  [["cdc-relay", "--filter", "{status: open}"], /--filter is not Extended JSON/],
  [
    ["cdc-relay", "--pipeline", '[{"$unwind": "$a"}]'],
    /--pipeline has a stage \$unwind; supported are \$match/,
  ],
  [["cdc-relay", "--batch-size", "none"], /--batch-size is not a whole number.*"none"/],
  [["cdc-relay", "--cratedb-url", "mysql://me:s3cret@host"], /CrateDB URL must start with crate:/],
  [["db-workload", "--mongodb-url", "http://me:s3cret@host"], /^Error: --mongodb-url is malformed: /],
  [["cdc-relay", "--cratedb-url", "crate://me:s3cret@host:port"], /CrateDB URL is malformed/],
  [["cdc-relay", "--cratedb-url", "crate://me:50%=s3cret@host"], /CrateDB URL has a %[^]*% is %25/],
  [
    ["cdc-relay", "--cratedb-url", "crate+https://me:s3cret@host"],
    /CrateDB URL has the unknown driver https/,
  ],
  [["db-workload", "--count", "0"], /--count is not a whole number/],
  [["db-workload", "--mix", "delete=1"], /--mix has no insert/],
];

for (const [args, message] of WRONG) {
  Deno.test(`wrong usage ends with code 2 and what to do: ${args.join(" ") || "(no arguments)"}`, async () => {
    const outcome = await run(args);
    assert.match(outcome.stderr, message);
    assert.match(outcome.stderr, /^Error: /);
    assert.doesNotMatch(outcome.stderr, /s3cret/);
    assert.equal(outcome.code, 2);
    assert.equal(outcome.stdout, "");
    noTrace(outcome);
  });
}

const MALFORMED = [
  "localhost:27017",
  "mongodb://",
  "mongodb://me:s3cret@",
  "mongodb://me:s3c/ret@host",
  "mongodb://me:50%=s3cret@host",
  "mongodb://host/?w=x&nonsense=s3cret",
];
for (const url of MALFORMED) {
  Deno.test(`a malformed MONGODB_URL is reported without the password: ${url}`, async () => {
    const outcome = await run(["db-workload"], { env: { MONGODB_URL: url } });
    assert.match(outcome.stderr, /^Error: MONGODB_URL is malformed: .*\n.*mongodb:\/\//);
    assert.doesNotMatch(outcome.stderr, /s3c/);
    assert.equal(outcome.code, 2);
    noTrace(outcome);
  });
}

Deno.test("texts have the width of the output that they are written to", async () => {
  const longest = async (columns: number | undefined) => {
    let text = "";
    const write = (more: string) => text += more;
    const stdout = { isTerminal: columns !== undefined, columns, write };
    const args = ["config", "show", "--database", "a".repeat(200)];
    assert.equal(await main(args, { env: {}, signal: new AbortController().signal, stdout }), 0);
    return Math.max(...text.split("\n").map(({ length }) => length));
  };
  assert.equal(await longest(50), 50);
  assert.ok(await longest(undefined) > 200);
});

Deno.test("check names the place in the file whose URL is wrong", async () => {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(
    path,
    "version: 1\nmongodb:\n  url: mongodb://host/?nonsense=1\ncratedb: { url: 'crate://127.0.0.1:1' }\n" +
      "streams: { shop: { database: shop } }\n",
  );
  const outcome = await run(["check", "--config", path]);
  await Deno.remove(path);
  assert.ok(outcome.stdout.includes(`${path}:3 is malformed: `), outcome.stdout);
  assert.doesNotMatch(outcome.stdout, /MONGODB_URL/);
  assert.equal(outcome.code, 4);
  noTrace(outcome);
});

Deno.test("--log-format json reports the error that ends the program as JSON", async () => {
  const flags = ["--log-format", "json"];
  for (
    const [args, expected] of [
      [["--cratedb-url", "crate://127.0.0.1:1"], { code: 1, message: /^CrateDB cannot be reached: / }],
      [["--batch-size", "x"], { code: 2, message: /^--batch-size is not a whole number/ }],
    ] as const
  ) {
    const { code, stderr } = await run(["cdc-relay", ...flags, ...args]);
    const { level, message, hint, exit_code } = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "");
    assert.deepEqual([code, level, exit_code], [expected.code, "error", expected.code]);
    assert.match(message, expected.message);
    assert.ok(hint);
  }
});

/** Arguments, and redirections of a shell; the exit code, and the remaining output. */
const REDIRECTED: readonly (readonly [readonly string[], string, number, RegExp])[] = [
  [
    ["--help"],
    ">/dev/full",
    1,
    /^Error: Standard output cannot be written: .*\nCheck whether the disk is full/,
  ],
  [["--frobnicate"], "2>/dev/full", 2, /^$/],
  [["--frobnicate"], "2>&-", 2, /^$/],
];

for (const [args, redirection, expected, seen] of REDIRECTED) {
  Deno.test(`the exit code of ${args} ${redirection} is ${expected}`, async () => {
    const call = [Deno.execPath(), "run", "-A", "--quiet", "mongodb_cdc_cratedb.ts", ...args];
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", `exec "$@" ${redirection}`, "sh", ...call],
      cwd: new URL("../../..", import.meta.url),
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    assert.match(decoder.decode(stdout) + decoder.decode(stderr), seen);
    assert.equal(code, expected);
  });
}

/** A change to Deno before the program runs. */
const preload = (code: string) => ({ denoFlags: ["--preload", `data:text/javascript,${code}`] });

const refusing = (names: string): string =>
  `const add = Deno.addSignalListener;
   Deno.addSignalListener = (name, listener) => {
     if (${names}.includes(name)) throw new TypeError("Windows only supports ctrl-c");
     add(name, listener);
   };`;

for (const names of ['["SIGTERM"]', '["SIGINT","SIGTERM"]']) {
  Deno.test(`the program runs without signals that the system does not have: ${names}`, async () => {
    const outcome = await run(["--version"], preload(refusing(names)));
    assert.match(outcome.stdout, /^mongodb_cdc_cratedb /);
    assert.deepEqual([outcome.code, outcome.stderr], [0, ""]);
  });
}

Deno.test("the signals that the system has still stop the program", async () => {
  await using program = start(
    ["db-workload", "--mongodb-url", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=60000"],
    preload(`${refusing('["SIGTERM"]')} Deno.stderr.writeSync(new TextEncoder().encode("up\\n"));`),
  );
  await program.waitForLine(/^up$/);
  assert.notEqual((await program.kill("SIGINT")).signal, "SIGKILL");
});

for (const version of ["1.46.3", "2.6.0", "2.8.9"]) {
  Deno.test(`Deno ${version} is refused as too old`, async () => {
    const outcome = await run(
      ["--help"],
      preload(
        `import p from "node:process"; Object.defineProperty(p.versions, "deno", { value: "${version}" });`,
      ),
    );
    assert.match(
      outcome.stderr,
      new RegExp(`^Error: Deno 2\\.9 or newer is needed; .* ${version}\\.\n.*deno upgrade`),
    );
    assert.deepEqual([outcome.code, outcome.stdout], [1, ""]);
    noTrace(outcome);
  });
}
