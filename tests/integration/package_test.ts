/** The package for npm, as its users have it: installed in an empty directory, under Node.js and under Deno. */
import assert from "node:assert/strict";
import { delimiter, dirname, join } from "node:path";
import { pack } from "../../dev/package/pack.ts";
import { type Running, startCommand } from "../../dev/process/program.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { INSTALLED_NAME } from "../../lib/cli/version.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";

const NODE_VERSION = "22";

/** Whether there is a program, and what it prints. */
async function outcome(program: string, args: readonly string[], cwd = Deno.cwd()) {
  const command = new Deno.Command(program, { args: [...args], cwd, stdin: "null" });
  const { success, stdout, stderr } = await command.output().catch(() => ({
    success: false,
    stdout: new Uint8Array(),
    stderr: new TextEncoder().encode(`There is no ${program}`),
  }));
  return { success, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Whether there is npm, and its registry can be reached. */
const canInstall = (await outcome("npm", ["view", `node@${NODE_VERSION}`, "version"])).success;

/** A program that embeds the relay. */
const EMBEDDING = `
  import process from "node:process";
  import { startRelay } from "@mongodb-cdc/cratedb";
  const stop = new AbortController();
  process.once("SIGTERM", () => stop.abort());
  const [mongodbUrl, cratedbUrl, database, table] = process.argv.slice(2);
  await startRelay(
    { mongodbUrl, cratedbUrl, database, collection: "data", table },
    { signal: stop.signal, observer: { ready: () => console.error("Ready") } },
  );
`;

cratedbTest("the package runs the quick start in an empty directory", async (context) => {
  const { mongodb, mongodbUrl, httpUrl, database, schema, table } = context;
  const folder = await Deno.makeTempDir();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
  const file = await pack(join(folder, "package.tgz"));
  const installed = await outcome(
    "npm",
    ["install", "--no-audit", "--no-fund", "--loglevel", "error", file, `node@${NODE_VERSION}`],
    folder,
  );
  assert.ok(installed.success, installed.stderr);
  const modules = join(folder, "node_modules");
  const script = join(modules, ".bin", INSTALLED_NAME);
  const node = join(modules, ".bin", "node");
  assert.match((await outcome(node, ["--version"])).stdout, new RegExp(`^v${NODE_VERSION}\\.`));
  await Deno.writeTextFile(join(folder, "embedding.mjs"), EMBEDDING);

  const data = mongodb.db(database).collection<{ _id: number }>("data");
  const settings = { MONGODB_URL: mongodbUrl, CRATEDB_URL: httpUrl };
  const naming = ["--database", database, "--collection", "data", "--table", `${schema}.${table}`];
  const started = (command: string, args: readonly string[]): Running =>
    startCommand(command, args, { env: { ...settings, PATH: pathWith(node) } });
  const ways: readonly (readonly [string, () => Running])[] = [
    ["Node.js", () => started(`'${node}' '${script}'`, ["cdc-relay", ...naming])],
    ["Deno", () => started(`'${Deno.execPath()}' run -A '${script}'`, ["cdc-relay", ...naming])],
    [
      "a program that embeds it",
      () =>
        started(`'${node}' '${join(folder, "embedding.mjs")}'`, [
          mongodbUrl,
          httpUrl,
          database,
          `${schema}.${table}`,
        ]),
    ],
  ];
  for (const [at, [way, start]] of ways.entries()) {
    await using running = start();
    await running.waitForLine(/Ready/);
    await data.insertOne({ _id: at });
    await eventually(async () => assert.equal(await countRows(context), at + 1, way), { interval: 50 });
    assert.equal((await running.kill()).code, 0, `${way}: ${running.stderr.join("\n")}`);
  }
}, { unfit: !canInstall });

/** So that scripts which ask for `node` get this one. */
const pathWith = (node: string): string => [dirname(node), Deno.env.get("PATH") ?? ""].join(delimiter);
