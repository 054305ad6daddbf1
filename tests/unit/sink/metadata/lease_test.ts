import assert from "node:assert/strict";
import {
  Lease,
  LeaseHeldError,
  LeaseLostError,
  type LeaseOptions,
} from "../../../../lib/sink/metadata/lease.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import { type MemoryTable, memoryTable } from "../../../support/memory_lease_table.ts";

const LEASE_MS = 10_000;
const KEY = "shop.* -> shop.{collection}";

/** The relay's clock and the server's go together; a wait lets the time pass at once. */
function setUp(table: MemoryTable = memoryTable()) {
  const clock = {
    now: () => table.serverTime,
    monotonic: () => table.serverTime,
    wait: (milliseconds: number) => Promise.resolve(void (table.serverTime += milliseconds)),
  };
  const options: LeaseOptions<"token"> = {
    table: { schema: "doc", name: "cdc_position" },
    keyColumn: "stream",
    key: KEY,
    columns: ["token"],
    savedAtColumn: "saved_at",
    lease: LEASE_MS,
    clock,
    holds: "follows it",
    takesOver: "has taken it over",
  };
  const waits: (readonly [string | null, number])[] = [];
  const acquire = async () => {
    const lease = new Lease(table, options);
    await lease.acquire({
      signal: new AbortController().signal,
      onWait: (owner, milliseconds) => waits.push([owner, milliseconds]),
    });
    return lease;
  };
  const tryAcquire = async (changed: Partial<typeof options> = {}, transport: Transport = table) => {
    const lease = new Lease(transport, { ...options, ...changed });
    return await lease.tryAcquire() ? lease : undefined;
  };
  const pass = (milliseconds: number) => table.serverTime += milliseconds;
  return { table, options, waits, acquire, pass, tryAcquire };
}

const row = (table: MemoryTable) => {
  const found = table.rows.get(KEY);
  assert.ok(found);
  return found;
};

Deno.test("Lease.acquire() takes a free row at once", async () => {
  const { acquire, table, waits } = setUp();
  const lease = await acquire();
  assert.deepEqual(lease.values, { token: null });
  assert.equal(row(table).lease_until, table.serverTime + LEASE_MS);
  assert.deepEqual(waits, []);
});

Deno.test("Lease.save() writes values and the time, a renewal leaves the time as it was", async () => {
  const { acquire, table, pass } = setUp();
  const lease = await acquire();
  await lease.save({ token: "aa" });
  const savedAt = table.serverTime;
  pass(LEASE_MS - 1);
  await lease.check();
  assert.deepEqual([row(table).token, row(table).saved_at], ["aa", savedAt]);
  assert.equal(row(table).lease_until, table.serverTime + LEASE_MS);
});

Deno.test("Lease writes what is reported with saves and renewals, and when it is given back", async () => {
  const { table, options, pass } = setUp();
  let value: string | null = "starting";
  const lease = new Lease(table, {
    ...options,
    reported: () => [{ column: "phase", type: "TEXT", value }],
  });
  await lease.acquire({ signal: new AbortController().signal, onWait: () => {} });
  const seen = [row(table).phase];
  value = "following";
  await lease.save({ token: "aa" });
  seen.push(row(table).phase);
  value = null;
  pass(LEASE_MS - 1);
  await lease.check();
  seen.push(row(table).phase);
  value = "stopped";
  await lease[Symbol.asyncDispose]();
  assert.deepEqual([...seen, row(table).phase], ["starting", "following", null, "stopped"]);
  assert.deepEqual([row(table).token, row(table).lease_until], ["aa", table.serverTime]);
});

Deno.test("Lease.acquire() waits for the lease of an owner that died, and goes on with its values", async () => {
  const { acquire, table, waits } = setUp();
  const dead = await acquire();
  await dead.save({ token: "aa" });
  const before = table.serverTime;
  const lease = await acquire();
  assert.equal(lease.values.token, "aa");
  assert.ok(table.serverTime >= before + LEASE_MS);
  assert.equal(waits.length, 1);
});

Deno.test("Lease.acquire() gives up when the owner is alive", async () => {
  const { acquire, table } = setUp();
  const alive = await acquire();
  // It renews whenever somebody has looked.
  let isRenewing = false;
  table.after = async (sql) => {
    if (isRenewing || !sql.startsWith("SELECT")) return;
    isRenewing = true;
    await alive.check();
    isRenewing = false;
  };
  await assert.rejects(acquire(), (error) => {
    assert.ok(error instanceof LeaseHeldError);
    assert.equal(error.owner, row(table).owner);
    assert.equal(error.name, "LeaseHeldError");
    return true;
  });
});

Deno.test("Lease.tryAcquire() takes a free row only", async () => {
  const { tryAcquire, pass } = setUp();
  assert.ok(await tryAcquire());
  assert.equal(await tryAcquire(), undefined);
  pass(LEASE_MS);
  assert.ok(await tryAcquire());
});

Deno.test("a lease that is given back is free at once", async () => {
  const { acquire, tryAcquire } = setUp();
  await (await acquire())[Symbol.asyncDispose]();
  assert.ok(await tryAcquire());
});

Deno.test("a lease is not released while rows are being written", async () => {
  const { tryAcquire } = setUp();
  const lease = await tryAcquire({ isFree: () => false });
  await lease?.[Symbol.asyncDispose]();
  assert.equal(await tryAcquire(), undefined);
});

Deno.test("an owner that was frozen is refused, and changes nothing", async () => {
  const { acquire, table, pass } = setUp();
  const frozen = await acquire();
  pass(LEASE_MS);
  const other = await acquire();
  await other.save({ token: "bb" });
  for (const attempt of [() => frozen.save({ token: "aa" }), () => frozen.check()]) {
    await assert.rejects(attempt, (error) => {
      assert.ok(error instanceof LeaseLostError);
      assert.match(error.message, /has taken it over/);
      return true;
    });
  }
  assert.equal(row(table).token, "bb");
  await other.save({ token: "cc" });
});

Deno.test("a lease that is renewed late continues if no other process has taken it", async () => {
  const { acquire, table, pass } = setUp();
  const lease = await acquire();
  pass(3 * LEASE_MS);
  await lease.check();
  await lease.save({ token: "aa" });
  assert.equal(row(table).token, "aa");
});

Deno.test("Lease.check() asks the server only for a lease that may be over", async () => {
  const { acquire, table, pass } = setUp();
  const lease = await acquire();
  const asked = async (milliseconds: number) => {
    pass(milliseconds);
    const before = table.sent.length;
    await lease.check();
    return table.sent.length > before;
  };
  assert.equal(await asked(LEASE_MS / 2), false);
  assert.equal(await asked(1), true);
  assert.equal(await asked(1), false);
  // A clock that was set back proves nothing.
  assert.equal(await asked(-2 * LEASE_MS), true);
});

Deno.test("a save whose answer was lost is written once more, under the row's new version", async () => {
  const { acquire, table } = setUp();
  const lease = await acquire();
  let isLost = true;
  table.after = (sql) => {
    if (!isLost || !sql.startsWith("UPDATE")) return;
    isLost = false;
    throw new SinkError("connection closed", { code: "ECONNRESET" });
  };
  await assert.rejects(lease.save({ token: "aa" }), SinkError);
  assert.equal(row(table).token, "aa");
  await lease.save({ token: "bb" });
  assert.equal(row(table).token, "bb");
});

Deno.test("of two that take a free row at the same moment, one has it", async () => {
  const { tryAcquire } = setUp();
  const found = await Promise.all([tryAcquire(), tryAcquire()]);
  assert.equal(found.filter(Boolean).length, 1);
});

Deno.test("saves do not overlap, and keep their order", async () => {
  const { acquire, table } = setUp();
  const lease = await acquire();
  await Promise.all(["aa", "bb", "cc"].map((token) => lease.save({ token })));
  assert.equal(row(table).token, "cc");
});

const LIMITS: readonly (readonly [lease: number, limitMs: number])[] = [
  [1_000, 5_000],
  [10_000, 10_000],
  [86_400_000, 120_000],
];

for (const [lease, limitMs] of LIMITS) {
  Deno.test(`A lease of ${lease} ms waits ${limitMs} ms for each answer`, async () => {
    const { table, tryAcquire } = setUp();
    const limits = new Set<number | undefined>();
    const query: MemoryTable["query"] = (...statement) => {
      limits.add(statement[2]?.limitMs);
      return table.query(...statement);
    };
    const held = await tryAcquire({ lease }, { ...table, query });
    await held?.save({ token: "aa" });
    assert.deepEqual([...limits], [limitMs]);
  });
}

Deno.test("Lease.tryAcquire() only reads a row that another process has", async () => {
  const { acquire, tryAcquire, table } = setUp();
  await acquire();
  table.sent.length = 0;
  assert.equal(await tryAcquire(), undefined);
  assert.deepEqual(table.sent.map((sql) => sql.slice(0, 6)), ["SELECT"]);
});
