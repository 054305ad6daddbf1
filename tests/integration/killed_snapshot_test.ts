import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { compare, inStep } from "../support/compare.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";
import { insertMixed, type Mixed, mixedLoad } from "../support/mixed_documents.ts";
import { nightly } from "../support/nightly.ts";

const COUNT = 6_000;
/** By how many rows the table has grown when it is killed. */
const MOMENTS = [1, 200, 200, 200];
/** By which the copy takes twelve seconds. */
const SLOW = ["--snapshot-rate", "500"];

nightly(cratedbTest)(
  "relay() loses nothing when it is killed in the middle of a copy, four times",
  async (context) => {
    const { mongodb, database, relay, sql } = context;
    const data = mongodb.db(database).collection<Mixed>("data");
    await insertMixed(data, COUNT);
    const flags = ["--lease", "1s", "--batch-size", "500", "--refresh-interval", "50ms"];
    const stop = new AbortController();
    const load = mixedLoad(data, { count: COUNT, signal: stop.signal, bulk: 50, pause: 50 });
    load.catch(() => {}); // It is awaited at the end.
    for (const moment of MOMENTS) {
      const running = relay([...flags, ...SLOW]);
      const before = await countRows(context);
      await eventually(async () => {
        const rows = await countRows(context);
        assert.ok(rows >= before + moment, `${rows} rows, ${before} before`);
      }, { interval: 10 });
      assert.equal((await running.kill("SIGKILL")).signal, "SIGKILL");
      assert.ok(!running.stderr.some((line) => /Snapshot done/.test(line)), running.stderr.join("\n"));
    }
    const running = relay(flags);
    await running.waitForLine(/Snapshot done/);
    stop.abort();
    assert.ok(await load > 500, "the load was too small");
    await inStep(context, { timeout: 120_000, interval: 500 });
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
    assert.deepEqual(await compare(context), []);
    assert.deepEqual(await sql("SELECT oid FROM cdc_dead_letter"), []);
  },
  { ownProcess: true },
);
