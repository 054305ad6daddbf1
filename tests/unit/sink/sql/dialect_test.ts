import assert from "node:assert/strict";
import { CRATEDB, dialectOf, POSTGRESQL } from "../../../../lib/sink/sql/dialect.ts";

const VERSIONS: Readonly<Record<string, string>> = {
  "PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit": "PostgreSQL",
  "PostgreSQL 18.6 (PGlite 0.5.16) on wasm32-unknown-emscripten, compiled by emcc, 32-bit": "PostgreSQL",
  "CrateDB 5.7.6 (built 3a7a4ed/NA, Linux 6.1.0 amd64, OpenJDK 64-Bit Server VM 22.0.2+9)": "CrateDB",
  "CrateDB 6.1.0 (built 0000000/NA, of PostgreSQL 14 compatibility)": "CrateDB",
};

for (const [version, expected] of Object.entries(VERSIONS)) {
  Deno.test(`dialectOf() ${version}`, async () => {
    const asked: string[] = [];
    const dialect = await dialectOf((statement) => {
      asked.push(statement);
      return Promise.resolve({ count: 1, rows: [[version]] });
    });
    assert.equal(dialect.name, expected);
    assert.deepEqual(asked, ["SELECT version()"]);
  });
}

Deno.test("CRATEDB has what was written made visible, POSTGRESQL need not", () => {
  assert.equal(CRATEDB.refresh?.({ schema: "s", name: 'it"s' }), 'REFRESH TABLE "s"."it""s"');
  assert.equal(POSTGRESQL.refresh, undefined);
});
