/** The permission set of `deno.json` is enough for production, and no part of it can be left out. */
import assert from "node:assert/strict";
import { join } from "node:path";
import deno from "../../deno.json" with { type: "json" };
import { startCommand } from "../../dev/process/program.ts";
import { eventually } from "../../dev/servers/eventually.ts";
import { cratedbTest, transports } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";

const ROOT = join(import.meta.dirname ?? "", "..", "..");
const ENTRY = join(ROOT, "mongodb_cdc_cratedb.ts");
const { net, env, read, sys } = deno.permissions.production;

assert.ok(net && env && read);
/** The set as flags of Deno. */
const FLAGS = ["--allow-net", "--allow-env", "--allow-read", ...sys.map((name) => `--allow-sys=${name}`)];

/** The MongoDB driver asks for it only in a container. */
const IN_CONTAINERS = "--allow-sys=uid";

for (const transport of transports) {
  cratedbTest(`the permission set production is enough, over ${transport}`, async (context) => {
    const { mongodb, mongodbUrl, httpUrl, wireUrl, database, schema, table } = context;
    const secrets = await Deno.makeTempDir();
    await using cleanUp = new AsyncDisposableStack();
    cleanUp.defer(() => Deno.remove(secrets, { recursive: true }));
    const secret = join(secrets, "cratedb-url");
    await Deno.writeTextFile(secret, transport === "http" ? httpUrl : wireUrl);
    await using running = startCommand(
      `'${Deno.execPath()}' run --no-prompt --quiet --config '${
        join(ROOT, "deno.json")
      }' -P=production '${ENTRY}'`,
      [
        "cdc-relay",
        ...["--database", database, "--collection", "data", "--table", `${schema}.${table}`],
        ...["--listen", "127.0.0.1:0"],
      ],
      { env: { MONGODB_URL: mongodbUrl, CRATEDB_URL_FILE: secret } },
    );
    const base = /http:\S+/.exec(await running.waitForLine(/Metrics and health/))?.[0] ?? "";
    await running.waitForLine(/Ready/);
    await mongodb.db(database).collection<{ _id: number }>("data").insertOne({ _id: 1 });
    await eventually(async () => assert.equal(await countRows(context), 1), { interval: 50 });
    assert.equal((await fetch(`${base}/metrics`)).status, 200);
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  });
}

for (const left of FLAGS.filter((flag) => flag !== IN_CONTAINERS)) {
  cratedbTest(`a relay does not start without ${left}`, async (context) => {
    const { mongodbUrl, httpUrl, database } = context;
    const secrets = await Deno.makeTempDir();
    await using cleanUp = new AsyncDisposableStack();
    cleanUp.defer(() => Deno.remove(secrets, { recursive: true }));
    const secret = join(secrets, "cratedb-url");
    await Deno.writeTextFile(secret, httpUrl);
    const flags = FLAGS.filter((flag) => flag !== left);
    await using running = startCommand(
      `'${Deno.execPath()}' run --no-prompt --quiet ${flags.join(" ")} '${ENTRY}'`,
      ["cdc-relay", "--database", database, "--cratedb-url-file", secret],
      { env: { MONGODB_URL: mongodbUrl } },
    );
    assert.notEqual((await running.status).code, 0);
  });
}
