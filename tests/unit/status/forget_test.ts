import assert from "node:assert/strict";
import { CRATEDB } from "../../../lib/sink/sql/dialect.ts";
import type { Transport } from "../../../lib/sink/connection/transport.ts";
import { chooseStreams, forgetStreams } from "../../../lib/status/forget.ts";
import { SYSTEM_CLOCK } from "../../../lib/util/clock.ts";
import { UsageError, UserError } from "../../../lib/util/errors.ts";
import { fakeClock } from "../../support/fake_clock.ts";
import { memoryTable } from "../../support/memory_lease_table.ts";

const VIEWER = { user: "crate", seesAll: true, server: "CrateDB" } as const;
const of = (schema: string, ...streams: readonly string[]) => streams.map((stream) => ({ schema, stream }));
const PARTS = ["a -> t (worker 0/2)", "a -> t (worker 1/2)"];

const choose = (known: ReturnType<typeof of>, name?: string, schema = "doc") =>
  chooseStreams(known, { name, schema, viewer: VIEWER });

Deno.test("chooseStreams() takes the only stream, with all its parts", () => {
  assert.deepEqual(choose(of("doc", "a -> t")), of("doc", "a -> t"));
  assert.deepEqual(choose(of("doc", ...PARTS)), of("doc", ...PARTS));
});

Deno.test("chooseStreams() takes the stream that is named, or one part of it", () => {
  const known = of("doc", ...PARTS, "b -> t");
  assert.deepEqual(choose(known, "a -> t"), of("doc", ...PARTS));
  assert.deepEqual(choose(known, PARTS[1]), of("doc", PARTS[1] ?? ""));
});

Deno.test("chooseStreams() takes the default schema's stream if several schemas have one of that name", () => {
  const known = [...of("doc", "a -> t"), ...of("shop", "a -> t")];
  assert.deepEqual(choose(known, "a -> t", "shop"), of("shop", "a -> t"));
  assert.throws(() => choose(known, "a -> t", "other"), /^UsageError: Several schemas .*: doc, shop$/);
  assert.deepEqual(choose(of("shop", "a -> t"), "a -> t", "other"), of("shop", "a -> t"));
});

const isWrongUsage = (message: RegExp, hint: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UsageError);
  assert.match(error.message, message);
  assert.match(error.hint ?? "", hint);
  return true;
};

Deno.test("chooseStreams() lists the streams if none is named, or one that does not exist", () => {
  const known = of("doc", "a -> t", "b -> t");
  assert.throws(
    () => choose(known),
    isWrongUsage(/^Several streams exist/, /^These exist:\n {2}a -> t\n {2}b -> t$/),
  );
  assert.throws(
    () => choose(known, "c -> t"),
    isWrongUsage(/: c -> t$/, /^These exist:\n {2}a -> t\n {2}b -> t$/),
  );
  assert.throws(() => choose([], "c -> t"), isWrongUsage(/^No stream exists yet/, /^$/));
});

/** A server with a position whose lease lasts so many milliseconds more. */
function serverWith(left: number | null) {
  const deleted: string[] = [];
  const transport: Transport = {
    dialect: CRATEDB,
    query: (sql, parameters = []) => {
      if (sql.startsWith("DELETE")) deleted.push(sql);
      const rows = /JOIN information_schema/.test(sql)
        ? (parameters[0] as readonly string[]).map((name) => ["doc", name, "stream"])
        : /pg_tables/.test(sql)
        ? [[1]]
        : /SELECT owner/.test(sql)
        ? [["host/1/ab", left]]
        : /count\(\*\)/.test(sql)
        ? [[3]]
        : [];
      return Promise.resolve({ count: 0, rows });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return { transport, deleted };
}

Deno.test("forgetStreams() removes nothing while a relay follows the stream, and does not ask", async () => {
  const { transport, deleted } = serverWith(4_000);
  await assert.rejects(
    forgetStreams(transport, of("doc", "a -> t"), {
      clock: SYSTEM_CLOCK,
      confirm: () => assert.fail("asked"),
    }),
    (error) => {
      assert.ok(error instanceof UserError && !(error instanceof UsageError));
      assert.equal(error.message, "A relay (host/1/ab) still follows this stream: a -> t");
      assert.match(error.hint ?? "", /its lease expires in 4\.0 s/);
      return true;
    },
  );
  assert.deepEqual(deleted, []);
});

Deno.test("forgetStreams() shows what is kept, and removes nothing if the answer is no", async () => {
  const { transport, deleted } = serverWith(-1);
  const shown: unknown[] = [];
  const forgotten = await forgetStreams(transport, of("doc", "a -> t"), {
    clock: SYSTEM_CLOCK,
    confirm: (kept) => {
      shown.push(kept.rows);
      return Promise.resolve(false);
    },
  });
  assert.equal(forgotten, undefined);
  assert.deepEqual(shown, [{
    cdc_control: 3,
    cdc_verify: 3,
    cdc_settings: 3,
    cdc_collection: 3,
    cdc_events: 3,
    cdc_position: 3,
  }]);
  assert.deepEqual(deleted, []);
});

/** Positions in memory. As in CrateDB, a search passes over rows that were written since the last refresh. */
function positionsOf(streams: readonly string[], beforeEach: () => void) {
  const table = memoryTable();
  for (const each of streams) table.rows.set(each, { owner: null, lease_until: 0, seqNo: 0 });
  const refreshed = new Map<string, number>();
  const remove = (names: readonly string[], isSearch: boolean) => {
    const isFound = (name: string) => !isSearch || table.rows.get(name)?.seqNo === refreshed.get(name);
    return names.filter((name) => isFound(name) && table.rows.delete(name)).length;
  };
  const transport: Transport = {
    ...table,
    query: async (sql, parameters = []) => {
      beforeEach();
      const answer = (...rows: readonly unknown[][]) => ({ count: 0, rows });
      if (/JOIN information_schema/.test(sql)) {
        return answer(...(parameters[0] as readonly string[]).map((name) => ["doc", name, "stream"]));
      }
      if (/pg_tables|count\(\*\)/.test(sql)) return answer([1]);
      if (/"?doc"?\."?cdc_position/.test(sql)) {
        if (sql.startsWith("REFRESH")) {
          for (const [name, { seqNo }] of table.rows) refreshed.set(name, seqNo);
          return answer();
        }
        if (/^SELECT owner, .* - /.test(sql)) return answer([null, -1]);
        if (sql.startsWith("DELETE")) {
          const count = remove([parameters[0]].flat() as string[], sql.includes("ANY"));
          return { count, rows: [] };
        }
        return await table.query(sql, parameters);
      }
      return answer();
    },
  };
  return { table, transport };
}

Deno.test("forgetStreams() removes the positions of all parts, however slow the server is", async () => {
  const clock = fakeClock();
  const parts = [0, 1, 2, 3].map((part) => `a -> t (worker ${part}/4)`);
  // Longer than half a lease, after which a check renews it.
  const { table, transport } = positionsOf(parts, () => clock.pass(6_000));
  const forgotten = await forgetStreams(transport, of("doc", ...parts), {
    clock,
    confirm: () => Promise.resolve(true),
  });
  assert.deepEqual([...table.rows.keys()], []);
  assert.equal(forgotten?.rows.cdc_position, 4);
});
