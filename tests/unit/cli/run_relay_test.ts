import assert from "node:assert/strict";
import { warnOfUrlDatabase } from "../../../lib/cli/run_relay.ts";
import { createLogger } from "../../../lib/util/log.ts";

const warned = (url: string, flags: Readonly<Record<string, string>> = {}, env = {}): string[] => {
  const lines: string[] = [];
  const log = createLogger({ format: "json", level: "warn", write: (line) => lines.push(line) });
  warnOfUrlDatabase({ flags, env: { MONGODB_URL: url, ...env } }, log);
  return lines.map((line) => JSON.parse(line).use);
};

for (const url of ["mongodb://host/shop", "mongodb://u:p%2Fw@a:1,b:2/shop?w=1", "mongodb+srv://host/shop"]) {
  Deno.test(`a database in ${url} is warned of, unless --database names one`, () => {
    assert.deepEqual(warned(url), ["--database shop"]);
    assert.deepEqual(warned(url, { database: "shop" }), []);
    assert.deepEqual(warned(url, {}, { MONGODB_DATABASE: "weather" }), []);
  });
}

for (
  const url of [
    "mongodb://host/",
    "mongodb://host",
    "mongodb://u:p@host/admin",
    "mongodb://host/testdrive",
    "x",
  ]
) {
  Deno.test(`no database is warned of in ${url}`, () => assert.deepEqual(warned(url), []));
}
