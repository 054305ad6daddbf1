import assert from "node:assert/strict";
import { rewordFor } from "../../../lib/config/origins.ts";
import type { Given } from "../../../lib/config/read.ts";

const CRATEDB = "Check the host name in CRATEDB_SQLALCHEMY_URL or CRATEDB_URL.";
const MONGODB = "MONGODB_URL is malformed";

const CASES: readonly (readonly [what: string, Given, cratedb: string, mongodb: string])[] = [
  ["nothing", {}, CRATEDB, MONGODB],
  ["variables", { env: { MONGODB_URL: "mongodb://a", CRATEDB_URL: "crate://a" } }, CRATEDB, MONGODB],
  [
    "flags",
    { flags: { "mongodb-url": "mongodb://a", "cratedb-url-file": "url" } },
    "Check the host name in --cratedb-url-file.",
    "--mongodb-url is malformed",
  ],
  [
    "files of variables",
    { env: { MONGODB_URL_FILE: "url" } },
    CRATEDB,
    "MONGODB_URL_FILE is malformed",
  ],
  [
    "a file",
    {
      options: { mongodbUrl: "mongodb://a", cratedbUrl: "crate://a" },
      places: { mongodbUrl: "$&.yaml:3", cratedbUrl: "$&.yaml:4" },
    },
    "Check the host name in $&.yaml:4.",
    "$&.yaml:3 is malformed",
  ],
  [
    "a file and a variable, which wins",
    {
      env: { CRATEDB_URL: "crate://b" },
      options: { cratedbUrl: "crate://a" },
      places: { cratedbUrl: "relay.yaml:4" },
    },
    CRATEDB,
    MONGODB,
  ],
];

for (const [what, given, cratedb, mongodb] of CASES) {
  Deno.test(`rewordFor() names the origin of the URLs: ${what}`, () => {
    const reword = rewordFor(given);
    assert.deepEqual([reword(CRATEDB), reword(MONGODB)], [cratedb, mongodb]);
    assert.equal(reword(reword(`${CRATEDB} ${MONGODB}`)), `${cratedb} ${mongodb}`);
  });
}

Deno.test("rewordFor() leaves a variable that is set as it is", () => {
  const text = 'Write only the value: mongodb://host/, not "mongodb://host/" or MONGODB_URL=mongodb://host/.';
  assert.equal(rewordFor({ flags: { "mongodb-url": "MONGODB_URL=mongodb://a" } })(text), text);
});

Deno.test("rewordFor() names each origin of the URL of several streams, once", () => {
  const at = (line: number): Given => ({
    options: { cratedbUrl: "crate://a" },
    places: { cratedbUrl: `relay.yaml:${line}` },
  });
  const [four, nine] = ["relay.yaml:4", "relay.yaml:9"];
  assert.equal(rewordFor(at(4), at(9), at(4))(CRATEDB), `Check the host name in ${four} or ${nine}.`);
});
