import assert from "node:assert/strict";
import { eventually } from "../../dev/servers/eventually.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { countRows } from "../support/follow.ts";

const LEASE = ["--lease", "2s"];

cratedbTest(
  "a standby is alive and not ready, and takes over when the other relay is killed",
  async (context) => {
    const { mongodb, database, relay } = context;
    const data = mongodb.db(database).collection<{ _id: number }>("data");
    const first = relay(LEASE);
    await first.waitForLine(/Ready/);
    const standby = relay([...LEASE, "--standby", "--listen", "127.0.0.1:0"]);
    const base = /http:\S+/.exec(await standby.waitForLine(/Metrics and health/))?.[0] ?? "";
    await standby.waitForLine(/Standing by: another relay follows this stream/);
    assert.equal((await fetch(`${base}/healthz`)).status, 200);
    const readiness = await fetch(`${base}/readyz`);
    assert.deepEqual([readiness.status, await readiness.text()], [503, "not ready: standby\n"]);
    await data.insertOne({ _id: 1 });
    await eventually(async () => assert.equal(await countRows(context), 1));

    await first.kill("SIGKILL");
    await data.insertOne({ _id: 2 });
    await standby.waitForLine(/Ready/);
    await eventually(async () => assert.equal(await countRows(context), 2));
    assert.equal((await fetch(`${base}/readyz`)).status, 200);
    assert.equal((await standby.kill()).code, 0, standby.stderr.join("\n"));
  },
  { ownProcess: true },
);

cratedbTest(
  "a standby that is stopped ends at once, and leaves the stream to the other relay",
  async (context) => {
    const { mongodb, database, relay } = context;
    const first = relay(LEASE);
    await first.waitForLine(/Ready/);
    const standby = relay([...LEASE, "--standby"]);
    await standby.waitForLine(/Standing by/);
    assert.equal((await standby.kill()).code, 0, standby.stderr.join("\n"));
    await mongodb.db(database).collection<{ _id: number }>("data").insertOne({ _id: 1 });
    await eventually(async () => assert.equal(await countRows(context), 1));
  },
);
