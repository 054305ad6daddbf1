import assert from "node:assert/strict";
import { cratedbTest } from "../support/cratedb_harness.ts";
import { relayYaml } from "../support/relay_yaml.ts";

cratedbTest("config diff compares a file with the settings that its relay has saved", async (context) => {
  const { mongodb, database, schema } = context;
  await mongodb.db(database).collection("data").insertMany([{ n: 1 }, { n: 2 }, { n: 3 }]);
  const streams = (settings: object = {}) => ({
    shop: { database, table: `${schema}.{collection}`, ...settings },
  });
  await using file = await relayYaml(context, streams());
  const expectDiff = async (code: number, ...texts: readonly RegExp[]) => {
    const { code: found, stdout, stderr } = await file.run("config diff");
    assert.equal(found, code, stdout + stderr);
    for (const each of texts) assert.match(stdout, each);
  };
  await expectDiff(3, /^shop:\n +No relay has saved settings of .*\.\* -> /);

  const relay = file.relay();
  await relay.waitForLine(/Ready/);
  assert.equal((await relay.kill()).code, 0);
  await expectDiff(0, /^shop: the relay has these settings$/m);

  await file.write(
    streams({ saveInterval: "1s", lease: "20s", collections: { data: { filter: { n: 1 } } } }),
  );
  await expectDiff(
    3,
    /^ +saveInterval: 200ms → 1s: at once$/m,
    /^ +lease: 10s → 20s: after a restart$/m,
    /^ +filter of data: \(none\) → \{"n":1\}: a new snapshot/m,
    /^ +Collections that need a snapshot: 1, with 3 rows in their tables$/m,
  );
});
