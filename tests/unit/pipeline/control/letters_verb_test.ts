import assert from "node:assert/strict";
import { lettersVerb } from "../../../../lib/pipeline/control/letters_verb.ts";
import type { VerbContext } from "../../../../lib/pipeline/control/verb.ts";
import type { Parameter, Result, Transport } from "../../../../lib/sink/connection/transport.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import type { Namespace } from "../../../../lib/util/namespace.ts";

const COLLECTIONS = [
  ["shop", "customers", "doc", "customers", "following", null],
  ["shop", "excluded", "doc", "excluded", "following", null],
  ["shop", "orders", "doc", "orders", "following", null],
  ["shop", "waiting", null, null, "waiting", null],
];
const LETTERS = [["7", "Failed CONSTRAINT small", 1_000, '{"n":7}']];

/** A CrateDB in which `shop.orders` has a dead letter. */
const TRANSPORT: Transport = {
  dialect: CRATEDB,
  query: (sql: string, [stream]: readonly Parameter[] = []): Promise<Result> => {
    const letters = stream === "shop.orders -> doc.orders" ? LETTERS : [];
    const rows = sql.includes("cdc_collection")
      ? COLLECTIONS
      : sql.includes("count(*)")
      ? [[letters.length]]
      : sql.includes("error")
      ? letters
      : [];
    return Promise.resolve({ count: 0, rows });
  },
  async [Symbol.asyncDispose]() {},
};

/** A paused stream: nothing runs between two batches. */
const PAUSED = {
  stream: {
    settings: { scope: { includes: ({ collection }: Namespace) => collection !== "excluded" } },
    names: { schema: "doc", stream: "shop.* -> doc.{collection}" },
    transport: TRANSPORT,
    between: () => Promise.reject(new Error("It waits for the end of the pause")),
  },
} as unknown as VerbContext;

const answer = (given: Readonly<Record<string, unknown>>) => lettersVerb.read(given)(PAUSED);

Deno.test("letters list and show are answered during a pause", async () => {
  const line = "shop.orders 7 1970-01-01T00:00:01.000Z Failed CONSTRAINT small";
  assert.equal(await answer({ action: "list" }), `1 dead letter\n${line}`);
  assert.equal(await answer({ action: "list", collection: "shop.orders" }), `1 dead letter\n${line}`);
  assert.equal(await answer({ action: "list", collection: "shop.customers" }), "0 dead letters");
  assert.equal(await answer({ action: "show" }), `1 dead letter\n${line}\n{"n":7}`);
  await assert.rejects(answer({ action: "retry" }), /waits for the end/);
});
