import assert from "node:assert/strict";
import { BSON, MongoServerError } from "mongodb";
import { type BsonValue, fieldsByName } from "../../../../lib/bson/bson.ts";
import { FilteredSnapshots } from "../../../../lib/pipeline/snapshot/filtered_snapshots.ts";
import type { FilteredSnapshot } from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import { idDocument } from "../../../../lib/key/query_literal.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { usableTables } from "../../../support/usable_tables.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

const ORDERS = { database: "shop", collection: "orders" };
const OPEN = { id: "1", ...ORDERS, filter: '{"status":"open"}' };

const idOf = (_id: number): BsonValue => {
  const id = fieldsByName(BSON.serialize({ _id })).get("_id");
  assert.ok(id);
  return id;
};
const numberOf = (id: BsonValue): number => BSON.deserialize(idDocument(id))._id;
const settled = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

/** Filtered snapshots of a collection whose documents 0 to `count` - 1 match each filter. */
function relay(
  saved: readonly FilteredSnapshot[],
  { count = 5, page = 2, snapshotRate = 0, error, errors = Infinity }: {
    count?: number;
    page?: number;
    snapshotRate?: number;
    error?: Error;
    /** How many reads of keys fail. */
    errors?: number;
  } = {},
) {
  const written: number[] = [];
  const warned: unknown[] = [];
  const asked: (number | null)[] = [];
  const deleted = new Set<number>();
  const clock = fakeClock();
  const tables = usableTables();
  const stop = new AbortController();
  const filtered = new FilteredSnapshots(saved, {
    chunks: {
      keysMatching: (_namespace, _query, { after }) => {
        if (error && errors-- > 0) return Promise.reject(error);
        const last = after && BSON.deserialize(after)._id;
        asked.push(last);
        const from = last === null ? 0 : last + 1;
        const ids = Array.from({ length: Math.min(page, count - from) }, (_, at) => idOf(from + at));
        const documents = ids.map((id) => ({ id, document: null }));
        const end = ids.at(-1);
        const done = from + ids.length === count;
        return Promise.resolve({ documents, last: end ? idDocument(end) : after, done, seen: ids.length });
      },
    },
    reader: {
      async *lookUp(_namespace, ids) {
        await Promise.resolve();
        yield ids.map((id) => ({ id, document: deleted.has(numberOf(id)) ? null : idDocument(id) }));
      },
    },
    tables: {
      ...tables,
      of: () =>
        Promise.resolve({
          apply: (documents: readonly { readonly id: BsonValue }[], reading: string) => {
            assert.equal(reading, "snapshot");
            written.push(...documents.map(({ id }) => numberOf(id)));
            return Promise.resolve(documents.length);
          },
        } as never),
    },
    settings: { snapshotRate },
    signal: stop.signal,
    clock,
    log: { ...QUIET, warn: (message, fields) => void warned.push([message, fields]) },
  });
  /** Runs slices until nothing is left. */
  const finish = async () => {
    while (filtered.left.length > 0) {
      await settled();
      assert.ok(filtered.isReady, "no slice is possible");
      await filtered.runSlice();
      clock.pass(1_000);
    }
  };
  return { filtered, written, warned, asked, deleted, clock, tables, stop, finish };
}

Deno.test("FilteredSnapshots reads the documents that match, each once, and is done", async () => {
  const { filtered, written, asked, finish } = relay([]);
  assert.equal(filtered.add(OPEN), "1");
  assert.deepEqual(filtered.outcome("1"), { kind: "running", documents: 0, isSlow: false });
  await finish();
  assert.deepEqual(written, [0, 1, 2, 3, 4]);
  assert.deepEqual(asked, [null, 1, 3]);
  assert.deepEqual(filtered.outcome("1"), { kind: "done", documents: 5 });
});

Deno.test("FilteredSnapshots writes nothing for a document that was deleted after its key was read", async () => {
  const { filtered, written, deleted, finish } = relay([], { page: 5 });
  filtered.add(OPEN);
  await settled();
  deleted.add(2);
  await finish();
  assert.deepEqual(written, [0, 1, 3, 4]);
});

Deno.test("FilteredSnapshots reads keys beside the loop: no slice is ready until they have arrived", async () => {
  const { filtered, written } = relay([]);
  filtered.add(OPEN);
  assert.equal(filtered.isReady, false);
  await filtered.runSlice();
  assert.deepEqual(written, []);
  await settled();
  assert.equal(filtered.isReady, true);
});

for (const slices of [0, 1, 2, 3]) {
  Deno.test(`FilteredSnapshots continues after the last written key if it is killed after slice ${slices}`, async () => {
    const { filtered, written, clock } = relay([]);
    filtered.add({ ...OPEN, rate: 4 });
    for (let slice = 0; slice < slices; slice++) {
      await settled();
      await filtered.runSlice();
      clock.pass(250);
    }
    assert.equal(written.length, slices);
    const next = relay(structuredClone(filtered.left) as FilteredSnapshot[]);
    await next.finish();
    assert.deepEqual([...written, ...next.written], [0, 1, 2, 3, 4]);
    assert.deepEqual(next.filtered.outcome("1"), { kind: "done", documents: 5 });
  });
}

Deno.test("FilteredSnapshots reads no more than the rate of the request allows, else that of the stream", async () => {
  for (const options of [{ rate: 4 }, { snapshotRate: 4 }]) {
    const { filtered, written, clock } = relay([], { page: 5, ...options });
    filtered.add({ ...OPEN, ...options });
    await settled();
    await filtered.runSlice();
    assert.deepEqual(written, [0]);
    assert.equal(filtered.resumesAt, clock.time + 250);
    clock.pass(250);
    await filtered.runSlice();
    assert.deepEqual(written, [0, 1]);
  }
});

Deno.test("FilteredSnapshots.add() joins an equal one that is left", () => {
  const { filtered } = relay([]);
  filtered.add(OPEN);
  assert.equal(filtered.add({ ...OPEN, id: "2" }), "1");
  assert.equal(filtered.add({ ...OPEN, id: "3", filter: "{}" }), "3");
  assert.deepEqual(filtered.left.map(({ id }) => id), ["1", "3"]);
});

Deno.test("FilteredSnapshots goes on with the next one if MongoDB refuses a filter, or one is cancelled", async () => {
  const message = "Failed to parse number 'secret' in $convert with no onError value";
  const error = new MongoServerError({ message, code: 241, codeName: "ConversionFailure" });
  const refused = relay([], { error });
  refused.filtered.add(OPEN);
  await settled();
  assert.deepEqual(refused.filtered.outcome("1"), {
    kind: "failed",
    reason:
      "MongoDB cannot apply the filter to a document of shop.orders (ConversionFailure, code 241). To see the whole " +
      "error, run the filter in MongoDB. Make it fit each document, for example with $type or onError.",
  });
  const { filtered, written, finish } = relay([]);
  filtered.add(OPEN);
  filtered.add({ ...OPEN, id: "2", collection: "users" });
  await settled();
  filtered.discard("1");
  await finish();
  assert.deepEqual(filtered.outcome("1"), { kind: "failed", reason: "it was cancelled" });
  assert.deepEqual(filtered.outcome("2"), { kind: "done", documents: 5 });
  assert.deepEqual(written, [0, 1, 2, 3, 4]);
});

Deno.test("FilteredSnapshots ends one whose collection is skipped", async () => {
  const { filtered, written, tables, finish } = relay([]);
  filtered.add(OPEN);
  tables.skip(ORDERS);
  await finish();
  assert.deepEqual(written, []);
  assert.equal(filtered.outcome("1")?.kind, "failed");
});

Deno.test("FilteredSnapshots keeps one that the end of the relay interrupts", async () => {
  const { filtered, stop } = relay([], { error: new Error("closed") });
  filtered.add(OPEN);
  stop.abort();
  await settled();
  assert.equal(filtered.left.length, 1);
});

Deno.test("FilteredSnapshots ends a request whose saved filter cannot be read, and goes on", async () => {
  const bad = { ...OPEN, filter: '{"at":{"$date":{"$numberLong":"NaN"}}}', after: null, documents: 0 };
  const { filtered } = relay([bad, { ...OPEN, id: "2", after: null, documents: 0 }]);
  await settled();
  const outcome = filtered.outcome("1");
  assert.ok(outcome?.kind === "failed");
  assert.match(outcome.reason, /is not Extended JSON/);
  assert.equal(filtered.outcome("2")?.kind, "running");
});

Deno.test("FilteredSnapshots asks again with more time, and warns once, if MongoDB takes long to apply a filter", async () => {
  const error = new MongoServerError({ message: "operation exceeded time limit", code: 50 });
  const { filtered, clock, warned, written, finish } = relay([], { error, errors: 3 });
  filtered.add(OPEN);
  filtered.add({ ...OPEN, id: "2", collection: "users" });
  for (let tries = 0; tries < 3; tries++) {
    await settled();
    assert.deepEqual(filtered.outcome("1"), { kind: "running", documents: 0, isSlow: true });
    assert.deepEqual(filtered.outcome("2"), { kind: "running", documents: 0, isSlow: false });
    clock.pass(5_000);
  }
  await settled();
  assert.deepEqual(filtered.outcome("1"), { kind: "running", documents: 0, isSlow: false });
  await finish();
  assert.deepEqual(written, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
  assert.deepEqual(warned, [[
    "MongoDB takes long to apply the filter of a snapshot: retrying with more time",
    {
      collection: "shop.orders",
      request: "1",
      hint: "Create an index for the filter. MongoDB runs $where for each document.",
    },
  ]]);
});
