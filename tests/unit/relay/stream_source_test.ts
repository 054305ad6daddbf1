import assert from "node:assert/strict";
import { warnOfUnmatched } from "../../../lib/relay/stream_source.ts";
import { Scope } from "../../../lib/source/documents/scope.ts";
import { createLogger } from "../../../lib/util/log.ts";

async function linesOf(
  [database, collection]: readonly [string, string],
  existing: Readonly<Record<string, readonly string[]>>,
): Promise<string[]> {
  const lines: string[] = [];
  const scope = new Scope({ databases: [database], collections: [collection], exclude: [] });
  const all = Object.entries(existing).flatMap(([database, names]) =>
    names.map((collection) => ({ database, collection }))
  );
  await warnOfUnmatched({
    scope,
    found: all.filter((each) => scope.includes(each)),
    catalogue: {
      databases: () => Promise.resolve(Object.keys(existing)),
      collections: (database) => Promise.resolve(existing[database]),
    },
    log: createLogger({ format: "text", level: "info", write: (line) => lines.push(line) }),
  });
  return lines.map((line) => line.slice(line.search(/INFO|WARN/)));
}

const SHOP = { shop: ["orders", "users"], weather: ["readings"] };

Deno.test("warnOfUnmatched() warns of a database that does not exist, and names the others", async () => {
  assert.deepEqual(await linesOf(["shpo", "*"], SHOP), [
    'WARN  No database matches yet name=shpo existing="shop, weather" did_you_mean=shop',
  ]);
});

Deno.test("warnOfUnmatched() warns of a collection that does not exist", async () => {
  assert.deepEqual(await linesOf(["shop", "ordrs"], SHOP), [
    'WARN  No collection matches yet name=ordrs existing="orders, users" did_you_mean=orders',
  ]);
  assert.deepEqual(await linesOf(["shop", "orders"], SHOP), []);
});

Deno.test("warnOfUnmatched() does not warn on a MongoDB without data", async () => {
  assert.deepEqual(await linesOf(["testdrive", "data"], {}), [
    "INFO  No database matches yet name=testdrive existing=none",
  ]);
});

Deno.test("warnOfUnmatched() warns if all that matches is left out", async () => {
  assert.deepEqual(await linesOf(["shop", "*"], { shop: [] }), [
    "WARN  The scope has no collection yet that can be followed scope=shop.*",
  ]);
});
