import assert from "node:assert/strict";
import { CRATEDB } from "../../../lib/sink/sql/dialect.ts";
import { createLogger, QUIET } from "../../../lib/util/log.ts";
import { UserError } from "../../../lib/util/errors.ts";
import { openCollection, streamsAmong } from "../../../lib/verify/collection.ts";
import { assertStartable } from "../../../lib/verify/verify_collection.ts";

const OWN = "shop.orders -> shop.orders";
const WIDER = "shop.* -> {database}.{collection}";
const parts = (stream: string) => [`${stream} (worker 0/2)`, `${stream} (worker 1/2)`];

/** The streams that write to the table, and those that are waited for. */
const CASES: readonly (readonly [what: string, writers: readonly string[], expected: readonly string[]])[] = [
  ["its own stream if none has written yet", [], [OWN]],
  ["its own stream", [WIDER, OWN], [OWN]],
  [
    "all workers of its stream, including one that has written nothing",
    [`${OWN} (worker 1/2)`, WIDER],
    parts(OWN),
  ],
  ["a wider stream", [WIDER], [WIDER]],
  ["all workers of a wider stream", [`${WIDER} (worker 0/2)`], parts(WIDER)],
];

for (const [what, writers, expected] of CASES) {
  Deno.test(`streamsAmong() are ${what}`, () => assert.deepEqual(streamsAmong(writers, OWN), expected));
}

const SAVED = { token: "82", snapshot: null };

Deno.test("assertStartable() accepts the stream of the scope with a saved position", () => {
  assertStartable([OWN], OWN, SAVED);
  assertStartable([OWN], OWN, { token: null, snapshot: "{}" });
});

for (
  const [what, streams, position, hint] of [
    ["a wider stream", [WIDER], SAVED, /Start it\. Or give verify the same collections/],
    ["workers", parts(OWN), SAVED, /Start all of its workers/],
    ["a stream that never ran", [OWN], undefined, /no saved position\. Start cdc-relay/],
    ["a stream that has saved nothing", [OWN], { token: null, snapshot: null }, /no saved position/],
  ] as const
) {
  Deno.test(`assertStartable() refuses ${what}, with a hint`, () =>
    assert.throws(() => assertStartable(streams, OWN, position), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /^No relay of this stream runs: shop\./);
      assert.match(error.hint ?? "", hint);
      return true;
    }));
}

for (
  const [what, columns, isWarned] of [["a missing table", [], true], [
    "a table",
    ["oid", "data"],
    false,
  ]] as const
) {
  Deno.test(`openCollection() ${isWarned ? "warns" : "does not warn"} of ${what} that no stream writes to`, async () => {
    const lines: string[] = [];
    await openCollection({ database: "shop", collection: "orders" }, {
      settings: { relay: { for: () => ({}) }, settle: 0 },
      names: { metadataSchema: "doc", stream: OWN, tableOf: () => ({ schema: "doc", name: "typo" }) },
      transport: {
        dialect: CRATEDB,
        query: (sql: string) =>
          Promise.resolve({
            count: 0,
            rows: /^SHOW/.test(sql) ? [[columns.map((each) => `   "${each}" TEXT`).join("\n")]] : [],
          }),
      },
      log: createLogger({
        format: "text",
        level: "warn",
        write: (line) => lines.push(line.replace(/^\S+ /, "")),
      }),
    } as never);
    const warning = "WARN  The table does not exist, and no stream writes the collection to it " +
      "collection=shop.orders table=doc.typo";
    assert.deepEqual(lines, isWarned ? [warning] : []);
  });
}

for (
  const [what, held, runsIn, expected] of [
    ["the one that a relay follows, of all that have written to the table", [WIDER], undefined, WIDER],
    ["the one of its scope, if relays follow both", [WIDER, OWN], undefined, OWN],
    ["the one of its scope, if no relay follows any", [], undefined, OWN],
    ["that of the relay in which it runs, even if its lease lapses", [], WIDER, WIDER],
  ] as const
) {
  Deno.test(`openCollection() waits for the stream: ${what}`, async () => {
    const { stream } = await openCollection({ database: "shop", collection: "orders" }, {
      settings: { relay: { for: () => ({}) }, settle: 0, runsIn },
      names: { metadataSchema: "doc", stream: OWN, tableOf: () => ({ schema: "doc", name: "t" }) },
      transport: {
        dialect: CRATEDB,
        query: (sql: string, [first]: readonly unknown[] = []) => {
          const isHeld = (held as readonly unknown[]).includes(first);
          const rows = /cdc_position/.test(sql)
            ? [[first, null, null, null, null, isHeld]]
            : /cdc_collection/.test(sql)
            ? [[WIDER], [OWN]]
            : /^SHOW/.test(sql)
            ? [['   "oid" TEXT\n   "data" OBJECT(DYNAMIC)']]
            : [];
          return Promise.resolve({ count: 0, rows });
        },
      },
      log: QUIET,
    } as never);
    assert.equal(stream, expected);
  });
}
