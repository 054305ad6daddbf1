import assert from "node:assert/strict";
import { PageSource } from "../../../lib/cli/watchers.ts";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { parseSinkUrl } from "../../../lib/sink/connection/url.ts";
import { CRATEDB } from "../../../lib/sink/sql/dialect.ts";
import { fakeClock } from "../../support/fake_clock.ts";

const STREAM = { schema: "doc", stream: "shop.* -> t", owner: null };
const ROW = ["shop.* -> t", "shop", "orders", "doc", "orders", "following", null, null, 7, 7, 0];

async function settle(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) await null;
}

/** A CrateDB whose answers wait until it is let go on. */
function setUp() {
  const clock = fakeClock();
  const seen = { reads: 0, opened: 0, closed: 0 };
  let gate = Promise.withResolvers<void>();
  const transport: Transport = {
    dialect: CRATEDB,
    query: async (sql) => {
      if (sql.startsWith("REFRESH")) {
        seen.reads++;
        await gate.promise;
      }
      return { rows: sql.includes("ORDER BY stream") ? [ROW] : [], count: 0 };
    },
    [Symbol.asyncDispose]: () => Promise.resolve(void seen.closed++),
  };
  const source = new PageSource(() => parseSinkUrl("crate://a"), clock, () => {
    seen.opened++;
    return Promise.resolve(transport);
  });
  const names = () => source.stored(STREAM, "shop").map(({ collection }) => collection);
  const answer = async (error?: Error) => {
    if (error) gate.reject(error);
    else gate.resolve();
    await settle();
    gate = Promise.withResolvers<void>();
  };
  return { source, clock, seen, names, answer };
}

Deno.test("PageSource has what was read last, and reads again after five seconds at most once", async () => {
  const { source, clock, seen, names, answer } = setUp();
  assert.deepEqual(names(), []);
  await settle();
  await answer();
  assert.deepEqual(names(), ["shop.orders"]);
  assert.equal(seen.reads, 1);
  clock.pass(5_000);
  assert.deepEqual(names(), ["shop.orders"]);
  assert.deepEqual(source.stored({ ...STREAM, stream: "other" }, "shop"), []);
  await settle();
  assert.deepEqual([seen.reads, seen.opened], [2, 1]);
  await source[Symbol.asyncDispose]();
  assert.equal(seen.closed, 1);
});

Deno.test("PageSource asks a CrateDB that hangs once, and again after a failure", async () => {
  const { clock, seen, names, answer } = setUp();
  for (let view = 0; view < 10; view++) {
    names();
    await settle();
    clock.pass(5_000);
  }
  assert.equal(seen.reads, 1);
  await answer(new Error("away"));
  assert.deepEqual(names(), []);
  await settle();
  await answer();
  assert.deepEqual(names(), ["shop.orders"]);
});
