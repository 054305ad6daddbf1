/** The package for npm, as its users have it: installed in an empty directory, under Node.js and under Deno. */
import assert from "node:assert/strict";
import { delimiter, dirname, join, normalize } from "node:path";
import process from "node:process";
import deno from "../../deno.json" with { type: "json" };
import { pack } from "../../dev/package/pack.ts";
import { type Running, startCommand } from "../../dev/process/program.ts";
import { INSTALLED_NAME } from "../../lib/util/runtime.ts";
import { corpus, corpusFolder, REFUSED, refusedOf } from "../support/bson_corpus.ts";
import { inStep } from "../support/compare.ts";
import { type CratedbContext, cratedbTest } from "../support/cratedb_harness.ts";
import { insertMixed, type Mixed } from "../support/mixed_documents.ts";
import { randomDocuments, SEED, withId } from "../support/random_documents.ts";
import { raw } from "../support/raw_bson.ts";
import { rawCommand } from "../support/raw_command.ts";

/** The oldest version that the package is for, and the newest with long-term support. */
const NODE_VERSIONS = ["22", "24"] as const;

/** Node.js as packages of npm have it for this machine. */
const nodePackage = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;

/** Whether a program exists, and what it prints. */
async function outcome(program: string, args: readonly string[], options: Deno.CommandOptions = {}) {
  const command = new Deno.Command(program, { args: [...args], stdin: "null", ...options });
  const { success, stdout, stderr } = await command.output().catch(() => ({
    success: false,
    stdout: new Uint8Array(),
    stderr: new TextEncoder().encode(`There is no ${program}`),
  }));
  return { success, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Whether npm exists, and its registry can be reached. */
const canInstall = (await outcome("npm", ["view", `${nodePackage}@${NODE_VERSIONS[0]}`, "version"])).success;

/** A program that embeds the relay, and prints what the library has found when it gets SIGUSR2. */
const EMBEDDING = `
  import process from "node:process";
  import { startRelay, status, verify, wait } from "@mongodb-cdc/cratedb";
  const [mongodbUrl, cratedbUrl, database, table] = process.argv.slice(2);
  const urls = { mongodbUrl, cratedbUrl };
  const stream = { database, collection: "data", table };
  const relay = startRelay({ ...urls, ...stream });
  process.once("SIGTERM", () => relay.stop());
  process.once("SIGUSR2", async () => {
    const { streams } = await wait({ ...urls, ...stream });
    const [{ state }] = await status({ cratedbUrl, ...stream });
    const [{ outcome }] = await verify({ ...urls, ...stream });
    const { events, phase } = relay.status;
    const metrics = (await relay.metrics()).match(/^cdc_relay_build_info\\{.*runtime="(.*?) /m)[1];
    const shown = streams.filter(({ outcome }) => outcome === "shown").length;
    console.error(JSON.stringify({ shown, state, outcome, events, phase, metrics }));
  });
  await relay.ready;
  console.error("Ready");
  await relay.done;
  console.error("Ended");
`;

const RANDOM_DOCUMENTS = 100;

/** Documents of every type of BSON, with another \`_id\` for each way. */
async function insertEverything({ mongodb, database }: CratedbContext, way: string): Promise<void> {
  const db = mongodb.db(database);
  const documents = randomDocuments(RANDOM_DOCUMENTS);
  const withIds = documents.map((document, at) => withId(raw.string(`${way} ${at}`), document));
  assert.deepEqual(await rawCommand(db, "insert", withIds), []);
  if (!corpusFolder) return;
  const refused = await refusedOf(db, corpus(corpusFolder, `${way} `));
  assert.deepEqual(Object.keys(refused), REFUSED.map((id) => `${way} ${id}`), JSON.stringify(refused));
}

/** An `_id` of each type: inserted under one version, changed and deleted under the other. */
async function changeKeys({ mongodb, database }: CratedbContext, way: string): Promise<void> {
  const data = mongodb.db(database).collection<Mixed>("data");
  const own = { n: { $exists: true }, text: /^document / };
  if (way === NODE_VERSIONS[0]) return await insertMixed(data, 60);
  await data.updateMany(own, { $set: { v: 1 } });
  await data.deleteMany({ ...own, n: { $mod: [3, 0] } });
}

/** Links of the pages of a package that lead nowhere. */
async function deadLinks(content: string): Promise<string[]> {
  const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/deployment.md", "docs/architecture.md"];
  const dead: string[] = [];
  for (const page of pages) {
    const text = await Deno.readTextFile(join(content, page));
    for (const [, target = ""] of text.matchAll(/\]\(([^)#\s]+)/g)) {
      const file = normalize(join(content, dirname(page), target));
      const leads = /^https?:/.test(target) || await Deno.stat(file).then(() => true, () => false);
      if (!leads) dead.push(`${page}: ${target}`);
    }
  }
  return dead;
}

cratedbTest(`the package runs in an empty directory (RANDOM_SEED=${SEED})`, async (context) => {
  const { mongodb, mongodbUrl, httpUrl, database, schema, table, sql } = context;
  const folder = await Deno.makeTempDir();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => Deno.remove(folder, { recursive: true }));
  const file = await pack(join(folder, "package.tgz"));
  const runtimes = NODE_VERSIONS.map((version) => `node${version}@npm:${nodePackage}@${version}`);
  const installed = await outcome(
    "npm",
    ["install", "--no-audit", "--no-fund", "--loglevel", "error", file, ...runtimes],
    { cwd: folder },
  );
  assert.ok(installed.success, installed.stderr);
  const modules = join(folder, "node_modules");
  const content = join(modules, ...deno.name.split("/"));
  assert.deepEqual(await deadLinks(content), []);
  const { dependencies } = JSON.parse(await Deno.readTextFile(join(content, "package.json")));
  for (const [name, version] of Object.entries(dependencies)) {
    assert.match(`${version}`, /^\d+(?:\.\d+)+$/, name);
  }
  const script = join(modules, ".bin", INSTALLED_NAME);
  const nodeOf = (version: string) => join(modules, `node${version}`, "bin", "node");
  const settings = { MONGODB_URL: mongodbUrl, CRATEDB_URL: httpUrl };
  const naming = ["--database", database, "--collection", "data", "--table", `${schema}.${table}`];
  const started = (command: string, args: readonly string[], path = folder): Running =>
    startCommand(command, args, { env: { ...settings, PATH: pathWith(path) } });
  await sql(
    `CREATE TABLE "${table}" (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED)) ` +
      'CLUSTERED INTO 1 SHARDS WITH ("mapping.total_fields.limit" = 500)',
  );

  for (const version of NODE_VERSIONS) {
    const node = nodeOf(version);
    assert.match((await outcome(node, ["--version"])).stdout, new RegExp(`^v${version}\\.`));
    const help = await outcome(node, [script, "wait", "--help"]);
    assert.match(help.stdout, new RegExp(`^Usage: ${INSTALLED_NAME} wait `));
    await using running = started(`'${node}' '${script}'`, ["cdc-relay", ...naming], dirname(node));
    await running.waitForLine(/Ready/);
    await insertEverything(context, version);
    await changeKeys(context, version);
    await inStep(context, { timeout: 60_000, interval: 500 }).catch((error) => {
      throw new Error(`Node.js ${version}: ${running.stderr.join("\n")}`, { cause: error });
    });
    const verified = await outcome(node, [script, "verify", ...naming], { env: settings });
    assert.ok(verified.success, `${verified.stdout}${verified.stderr}`);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  }
  assert.deepEqual(await sql("SELECT oid, error FROM cdc_dead_letter"), []);

  const data = mongodb.db(database).collection<{ _id: string }>("data");
  await using underDeno = started(`'${Deno.execPath()}' run -A '${script}'`, ["cdc-relay", ...naming]);
  await underDeno.waitForLine(/Ready/);
  await data.insertOne({ _id: "under Deno" });
  await inStep(context);
  assert.equal((await underDeno.kill()).code, 0, underDeno.stderr.join("\n"));

  const program = join(folder, "embedding.mjs");
  await Deno.writeTextFile(program, EMBEDDING);
  await using embedding = started(`'${nodeOf(NODE_VERSIONS[0])}' '${program}'`, [
    mongodbUrl,
    httpUrl,
    database,
    `${schema}.${table}`,
  ]);
  await embedding.waitForLine(/^Ready/);
  await data.insertOne({ _id: "embedded" });
  await inStep(context);
  Deno.kill(embedding.pid, "SIGUSR2");
  assert.deepEqual(JSON.parse(await embedding.waitForLine(/^\{/)), {
    shown: 1,
    state: "ok",
    outcome: "equal",
    events: 1,
    phase: "following",
    metrics: "Node.js",
  });
  assert.equal((await embedding.kill()).code, 0, embedding.stderr.join("\n"));
  assert.deepEqual(embedding.stderr.at(-1), "Ended");
}, { unfit: !canInstall });

/** So that scripts which ask for `node` get this one. */
const pathWith = (folder: string): string => [folder, Deno.env.get("PATH") ?? ""].join(delimiter);
