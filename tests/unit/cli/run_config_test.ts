/** `config check`, `config show`, `config init` and `config schema`. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { checkFile, printFile, printSchema, showSettings } from "../../../lib/cli/run_config.ts";
import type { Environment, Flags } from "../../../lib/config/read.ts";
import { UsageError } from "../../../lib/util/errors.ts";

const FOLDER = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(FOLDER, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(FOLDER, name);
  await Deno.writeTextFile(path, text);
  return path;
}

const RIGHT = await file(
  "right.yaml",
  `version: 1
mongodb: { url: mongodb://me:hush@db/ }
defaults: { shards: 1 }
streams:
  shop:
    database: shop
    collections: { orders: { table: sales.orders }, "log_*": { columns: ignored } }
`,
);
const WRONG = await file("wrong.yaml", "version: 1\nstreams:\n  a: { onDrp: keep, shards: many }\n");

function printed(
  command: (
    given: { flags: Flags; env: Environment },
    context: { columns: undefined; print: (text: string) => boolean },
  ) => unknown,
  flags: Flags,
) {
  const lines: string[] = [];
  const code = command({ flags, env: {} }, { columns: undefined, print: (text) => lines.push(text) > 0 });
  return { code, text: lines.join("\n") };
}

Deno.test("config check prints that a file is right, with warnings, which show no password", () => {
  assert.deepEqual(printed(checkFile, { config: RIGHT }), {
    code: 0,
    text: `Warning: ${RIGHT}:2: mongodb.url has a password. Use { env: VARIABLE } or { file: PATH }\n` +
      `${RIGHT} is right. Its streams: shop`,
  });
});

Deno.test("config check prints each error, and has the exit code of wrong usage", () => {
  const { code, text } = printed(checkFile, { config: WRONG });
  assert.equal(code, 2);
  assert.match(
    text,
    /wrong\.yaml:3:8: Unknown key: onDrp\. Did you mean onDrop\?\n.*wrong\.yaml:3:21: shards is not a wh/,
  );
});

Deno.test("config check prints all errors of a file that has many", async () => {
  const streams = Array.from({ length: 100 }, (_, at) => `  s${at}: { databse: shop }\n`).join("");
  const { text } = printed(checkFile, {
    config: await file("many.yaml", `version: 1\nstreams:\n${streams}`),
  });
  const lines = text.split("\n");
  assert.equal(lines.length, 100);
  assert.match(lines.at(-1) ?? "", /many\.yaml:102:10: Unknown key: databse\. Did you mean database\?$/);
});

Deno.test("config check names a file that cannot be read", () => {
  assert.throws(() => printed(checkFile, { config: join(FOLDER, "none") }), UsageError);
});

Deno.test("config show prints the settings with their origins, without passwords", () => {
  const { text } = printed(showSettings, { config: RIGHT, lease: "20s" });
  assert.match(text, /^Process:\n +setting +value +origin\n +maxMemory +256MiB +default$/m);
  assert.match(text, /^ +mongodbUrl +mongodb:\/\/me:\*\*\*@db\/ +.*right\.yaml:2$/m);
  assert.match(text, /^ +lease +20s +--lease$/m);
  assert.match(
    text,
    /^Collections log_\* of stream shop:\n +setting +value +origin\n +columns +ignored .*:7$/m,
  );
});

Deno.test("config show prints the settings of one collection", () => {
  const { text } = printed(showSettings, { config: RIGHT, collection: "shop.orders" });
  assert.match(text, /^shop\.orders of stream shop, table "sales"\."orders":$/m);
  assert.match(text, /^ +shards +1 +.*right\.yaml:3$/m);
  assert.throws(() => printed(showSettings, { config: RIGHT, collection: "orders" }), {
    message: "No stream has the collection orders in its scope",
  });
});

Deno.test("config show prints what flags give, without a file", () => {
  const before = Deno.cwd();
  Deno.chdir(FOLDER);
  try {
    assert.match(printed(showSettings, { collection: "a" }).text, /^ +collection +a +--collection$/m);
  } finally {
    Deno.chdir(before);
  }
});

Deno.test("config init prints a file for config check", async () => {
  const { text } = printed(printFile, { database: "shop", "cratedb-url": "crate://me:hush@db" });
  assert.match(text, /^cratedb:\n +url:\n +env: CRATEDB_URL\nstreams:\n +shop:\n +database: shop$/m);
  const config = await file("init.yaml", text);
  assert.match(printed(checkFile, { config }).text, /The variable CRATEDB_URL is not set/);
});

Deno.test("config schema prints the schema", () => {
  const { text } = printed((_given, context) => printSchema(context), {});
  assert.ok(JSON.parse(text).properties.streams);
});
