import assert from "node:assert/strict";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { CRATEDB } from "../../../lib/sink/sql/dialect.ts";
import { Scope } from "../../../lib/source/documents/scope.ts";
import { UsageError } from "../../../lib/util/errors.ts";
import { createLogger, QUIET } from "../../../lib/util/log.ts";
import type { CollectionResult } from "../../../lib/verify/result.ts";
import { checkSchema, comparable, outcomeRecorder } from "../../../lib/verify/verify.ts";

const SHOP: Readonly<Record<string, readonly string[]>> = {
  shop: ["orders", "users"],
  weather: ["readings"],
};

/** Compares this scope with MongoDB as above; these collections have rows. */
async function run(
  [databases, collections]: readonly [string, string],
  { withRows = [], runs = "once", existing = SHOP }: {
    readonly withRows?: readonly string[];
    readonly runs?: "once" | "forever";
    readonly existing?: typeof SHOP;
  } = {},
) {
  const warnings: string[] = [];
  const scope = new Scope({
    databases: databases.split(","),
    collections: collections.split(","),
    exclude: [],
  });
  const all = Object.entries(existing).flatMap(([database, names]) =>
    names.map((collection) => ({ database, collection }))
  ).filter((each) => scope.includes(each));
  const { database = "", collection = "" } = scope.only;
  const found = scope.level === "collection" && all.length === 0 ? [{ database, collection }] : all;
  const compared = await comparable({
    scope,
    found,
    catalogue: {
      databases: () => Promise.resolve(Object.keys(existing)),
      collections: (name) => Promise.resolve(existing[name] ?? []),
    },
    hasRows: ({ database, collection }) => Promise.resolve(withRows.includes(`${database}.${collection}`)),
    runs,
    log: createLogger({
      format: "text",
      level: "warn",
      write: (line) => warnings.push(line.replace(/^\S+ /, "")),
    }),
  });
  return { compared: compared.map(({ database, collection }) => `${database}.${collection}`), warnings };
}

const isWrongUsage = (message: string, hint: string) => (error: unknown) => {
  assert.ok(error instanceof UsageError);
  assert.deepEqual([error.message, error.hint], [message, hint]);
  return true;
};

Deno.test("comparable() are the collections that exist", async () => {
  assert.deepEqual(await run(["shop", "*"]), { compared: ["shop.orders", "shop.users"], warnings: [] });
  assert.deepEqual(await run(["shop", "orders"]), { compared: ["shop.orders"], warnings: [] });
});

Deno.test("comparable() refuses to compare nothing, and names what exists", async () => {
  await assert.rejects(
    run(["shpo", "*"]),
    isWrongUsage(
      "No database matches shpo; MongoDB shows these: shop, weather",
      "Did you mean --database shop?",
    ),
  );
  await assert.rejects(
    run(["shop", "tmp"]),
    isWrongUsage(
      "No collection matches tmp; MongoDB shows these: orders, users",
      "Name one of these with --collection, or grant the user the right to see others.",
    ),
  );
  await assert.rejects(
    run(["*", "*"], { existing: {} }),
    isWrongUsage(
      "Nothing to compare: no collection matches *.*",
      "MongoDB shows this user none, or --exclude excludes all of them.",
    ),
  );
});

Deno.test("comparable() has a collection that does not exist if it has rows", async () => {
  assert.deepEqual((await run(["shop", "old"], { withRows: ["shop.old"] })).compared, ["shop.old"]);
});

Deno.test("comparable() warns of a name that matches nothing beside others that do", async () => {
  assert.deepEqual(await run(["shop", "orders,usres"]), {
    compared: ["shop.orders"],
    warnings: ['WARN  No collection matches name=usres existing="orders, users" did_you_mean=users'],
  });
});

Deno.test("comparable() of nothing is warned of if later runs may find something", async () => {
  const { compared, warnings } = await run(["shpo", "*"], { runs: "forever" });
  assert.deepEqual([compared, warnings.length], [[], 1]);
});

/** A server that has the relay's own tables in the schema `doc` alone, and refuses to create any. */
function readOnly(streams: readonly string[]): Transport {
  return {
    dialect: CRATEDB,
    query: (sql, [first] = []) => {
      assert.doesNotMatch(sql, /^(?:CREATE|INSERT|ALTER)/);
      const answer = (...rows: readonly unknown[][]) => Promise.resolve({ count: 0, rows });
      if (/JOIN information_schema/.test(sql)) return answer(["doc", "cdc_position"]);
      if (/pg_tables/.test(sql)) return first === "doc" ? answer([1]) : answer();
      return /^SELECT DISTINCT stream/.test(sql) ? answer(...streams.map((each) => [each])) : answer();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("checkSchema() refuses a schema that no relay has written to, names the streams, and creates nothing", async () => {
  const typo = { metadataSchema: "shpo", stream: "shop.* -> shpo.{collection}" };
  const message = "The schema shpo has no stream: shop.* -> shpo.{collection}";
  await assert.rejects(
    checkSchema(readOnly(["shop.* -> {collection}"]), typo),
    isWrongUsage(
      message,
      "Check --table, and the schema in CRATEDB_URL. These streams exist:\n  shop.* -> {collection} (schema doc)",
    ),
  );
  await assert.rejects(
    checkSchema(readOnly([]), typo),
    isWrongUsage(message, "Start cdc-relay first, or grant the user the right to see its tables."),
  );
  await checkSchema(readOnly([]), { ...typo, metadataSchema: "doc" });
});

const result = (collection: string, outcome: CollectionResult["outcome"]): CollectionResult => ({
  stream: "shop.* -> doc",
  collection,
  table: `doc.${collection}`,
  mode: "full",
  outcome,
  startedAt: 0,
  finishedAt: 1_000,
  clusterTime: undefined,
  relay: undefined,
  documents: 3,
  rows: 3,
  missing: 0,
  extra: 0,
  different: outcome === "different" ? 2 : 0,
  overflowed: 0,
  deadLetters: 0,
  changing: 0,
  repaired: outcome === "repaired" ? 1 : 0,
  differences: [],
});

Deno.test("outcomeRecorder() records the outcomes of the first run, and then those that have changed", async () => {
  const written: string[][] = [];
  const emitted: string[] = [];
  const record = outcomeRecorder(
    {
      write: (events) => {
        written.push(events.map(({ kind, message }) => `${kind} ${message}`));
        return Promise.reject(new Error("away"));
      },
    },
    { log: QUIET, emit: (event) => event.type === "recorded" && emitted.push(event.event.kind) },
  );
  await record([result("shop.a", "equal"), result("shop.b", "equal")]);
  await record([result("shop.a", "equal"), result("shop.b", "equal")]);
  await record([result("shop.a", "equal"), result("shop.b", "different")]);
  await record([result("shop.a", "equal"), result("shop.b", "repaired")]);
  assert.deepEqual(written, [
    ["verify_equal shop.a: equal", "verify_equal shop.b: equal"],
    ["verify_different shop.b: 2 different"],
    ["verify_equal shop.b: 1 repaired, equal now"],
  ]);
  assert.deepEqual(emitted, ["verify_equal", "verify_equal", "verify_different", "verify_equal"]);
});
