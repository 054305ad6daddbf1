import assert from "node:assert/strict";
import { callOf } from "../../../lib/cli/help.ts";

const DENO = "/usr/bin/deno";
const NODE = "/usr/bin/node";
const PACKAGE = "/usr/lib/node_modules/@mongodb-cdc/cratedb/mongodb_cdc_cratedb.js";

const CALLS: readonly (readonly [string, { readonly execPath: string; readonly script: string }, string])[] =
  [
    [
      "in a clone",
      { execPath: DENO, script: "/src/mongodb_cdc_cratedb.ts" },
      "deno run -A mongodb_cdc_cratedb.ts",
    ],
    [
      "below the folder",
      { execPath: DENO, script: "/src/relay/mongodb_cdc_cratedb.ts" },
      "deno run -A relay/mongodb_cdc_cratedb.ts",
    ],
    [
      "elsewhere",
      { execPath: DENO, script: "/opt/relay/mongodb_cdc_cratedb.ts" },
      "deno run -A /opt/relay/mongodb_cdc_cratedb.ts",
    ],
    ["deno install", { execPath: DENO, script: "/src/bin/mongodb-cdc-cratedb.ts" }, "mongodb-cdc-cratedb"],
    ["npm, by its script", { execPath: NODE, script: PACKAGE }, "mongodb-cdc-cratedb"],
    ["npm, by its link", { execPath: NODE, script: "/usr/bin/mongodb-cdc-cratedb" }, "mongodb-cdc-cratedb"],
    ["npm, under Deno", { execPath: DENO, script: PACKAGE }, "mongodb-cdc-cratedb"],
    ["compiled", { execPath: "/opt/relay-x86_64", script: "/tmp/mongodb_cdc_cratedb.ts" }, "relay-x86_64"],
  ];

for (const [how, { execPath, script }, expected] of CALLS) {
  Deno.test(`callOf() ${how}: ${expected}`, () =>
    assert.equal(callOf({ execPath, cwd: () => "/src" }, script), expected));
}
