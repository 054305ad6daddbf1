import assert from "node:assert/strict";
import { delimiter, dirname, join } from "node:path";
import deno from "../../deno.json" with { type: "json" };
import { INSTALLED_NAME } from "../../lib/util/runtime.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");

/** As docs/deployment.md has it, in the clone. */
const INSTALL = "install -gAf --config deno.json bin/mongodb-cdc-cratedb.ts";

interface Place {
  readonly cwd: string;
  readonly env: Record<string, string>;
}

async function outcome(program: string, args: readonly string[], { cwd, env }: Place) {
  const command = new Deno.Command(program, {
    args: [...args],
    cwd,
    env,
    stdin: "null",
    signal: AbortSignal.timeout(120_000),
  });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** The cache of this Deno, so that nothing is downloaded again. */
async function cacheFolder(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

const OFFLINE = /error sending request|dns error|failed to lookup|Failed (?:loading|caching|fetching)/i;

Deno.test("deno install makes a program that runs anywhere", async (test) => {
  const folder = await Deno.makeTempDir();
  try {
    const home = join(folder, "home");
    await Deno.mkdir(home);
    const env = {
      ...Deno.env.toObject(),
      HOME: home,
      PATH: [dirname(Deno.execPath()), Deno.env.get("PATH")].join(delimiter),
      DENO_DIR: await cacheFolder(),
      DENO_INSTALL_ROOT: join(folder, "root"),
      NO_COLOR: "1",
    };
    const installed = await outcome(Deno.execPath(), INSTALL.split(" "), { cwd: ROOT, env });
    const ignore = installed.code !== 0 && OFFLINE.test(installed.stderr);
    if (!ignore) assert.equal(installed.code, 0, installed.stderr);
    const program = join(folder, "root", "bin", INSTALLED_NAME);
    const elsewhere = { cwd: home, env };

    await test.step({
      name: "it tells its version",
      ignore,
      fn: async () => {
        const { code, stdout } = await outcome(program, ["--version"], elsewhere);
        assert.deepEqual([code, stdout], [0, `mongodb_cdc_cratedb ${deno.version}\n`]);
      },
    });
    await test.step({
      name: "its help names the installed command",
      ignore,
      fn: async () => {
        const { stdout } = await outcome(program, ["wait", "--help"], elsewhere);
        assert.match(stdout, new RegExp(`^Usage: ${INSTALLED_NAME} wait `, "m"));
        assert.match(stdout, new RegExp(`^Examples:\n  ${INSTALLED_NAME} wait\n`, "m"));
        assert.doesNotMatch(stdout, /deno run/);
      },
    });
    await test.step({
      name: "it finds the MongoDB driver",
      ignore,
      fn: async () => {
        const { code, stderr } = await outcome(
          program,
          ["db-workload", "--mongodb-url", "localhost"],
          elsewhere,
        );
        assert.match(stderr, /^Error: --mongodb-url is malformed: /m);
        assert.equal(code, 2);
      },
    });
    await test.step({
      name: "it is replaced when it is installed again",
      ignore,
      fn: async () => {
        const again = await outcome(Deno.execPath(), INSTALL.split(" "), { cwd: ROOT, env });
        assert.equal(again.code, 0, again.stderr);
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** What tests, benchmarks and the demo's servers need. */
const DEVELOPMENT = [
  "@electric-sql",
  "esbuild",
  "fast-check",
  "mongodb-memory-server-core",
  "testcontainers",
];

/** Folders of the packages in a cache: npm/<registry>/<package>. */
async function packagesIn(cache: string): Promise<string[]> {
  const names: string[] = [];
  for await (const registry of Deno.readDir(join(cache, "npm"))) {
    for await (const { name } of Deno.readDir(join(cache, "npm", registry.name))) names.push(name);
  }
  return names;
}

Deno.test("the first command with an empty cache", async (test) => {
  const cache = await Deno.makeTempDir();
  try {
    const { code, stderr } = await outcome(
      Deno.execPath(),
      ["run", "-A", "--frozen", "mongodb_cdc_cratedb.ts", "--version"],
      { cwd: ROOT, env: { ...Deno.env.toObject(), DENO_DIR: cache, NO_COLOR: "1" } },
    );
    await test.step({
      name: "it loads no package that only tests need",
      ignore: code !== 0 && OFFLINE.test(stderr),
      fn: async () => {
        assert.equal(code, 0, stderr);
        const names = await packagesIn(cache);
        assert.ok(names.includes("mongodb"), names.join());
        assert.deepEqual(DEVELOPMENT.filter((name) => names.includes(name)), []);
      },
    });
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
});
