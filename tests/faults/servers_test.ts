import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { inStep } from "../support/compare.ts";
import { type FaultContext, faultTest, type TransportName } from "../support/cratedb_harness.ts";
import { variants } from "../support/nightly.ts";

type Server = "mongodbServer" | "cratedbServer";
type Fault = "pause" | "kill";

/** Servers that fail, and the transports to test with. */
const OUTAGES: readonly (readonly [Server, readonly TransportName[]])[] = [
  ["mongodbServer", ["http"]],
  ["cratedbServer", variants(["http"], ["wire"])],
];
const FAULTS: readonly Fault[] = ["pause", "kill"];
/** How long a server does not answer: longer than the lease of one second, which has expired when the server is back. */
const OUTAGE = 1_500;
/** After this line, a relay that starts connects to the server. */
const CONNECTS = { mongodbServer: /Connected to CrateDB/, cratedbServer: /Starting cdc-relay/ };
/** Lines about one outage: of writing, of the lease, of the look at other relays' leavings. */
const MOST_FAILURES = 8;

const insert = async ({ mongodb, database }: FaultContext, from: number) =>
  void await mongodb.db(database).collection<{ _id: number; n: number }>("data")
    .insertMany(Array.from({ length: 2_000 }, (_, at) => ({ _id: from + at, n: at })));

for (const [server, ways] of OUTAGES) {
  for (const fault of FAULTS) {
    for (const transport of ways) {
      faultTest(`relay() outlasts ${fault} of ${server}, over ${transport}`, async (context) => {
        const running = context.relay(["--lease", "1s"], { transport });
        await running.waitForLine(/Ready/);
        await insert(context, 0);
        await context[server][fault]();
        const outage = delay(OUTAGE);
        if (server === "cratedbServer") await insert(context, 2_000);
        await outage;
        if (fault === "kill") await running.waitForLine(/trying again/);
        await context[server].restore();
        await insert(context, 4_000);
        await inStep(context, { interval: 250 }).catch((error) => {
          throw new Error(running.stderr.join("\n"), { cause: error });
        });
        const { code } = await running.kill();
        const log = running.stderr.join("\n");
        assert.equal(code, 0, log);
        const failures = running.stderr.filter((line) => /trying again/.test(line));
        assert.ok(failures.length <= MOST_FAILURES, log);
      });
    }
  }
}

/** Transports to a server that hangs or does not run. */
const STOPS: readonly (readonly [Server, TransportName, readonly Fault[]])[] = [
  ["mongodbServer", "http", variants(["kill"], ["pause"])],
  ["cratedbServer", "http", variants(["pause"], ["kill"])],
  ["cratedbServer", "wire", variants([], ["pause"])],
];

for (const [server, transport, faults] of STOPS) {
  for (const fault of faults) {
    faultTest(`relay() stops on SIGTERM during ${fault} of ${server}, over ${transport}`, async (context) => {
      const start = () => context.relay(["--lease", "1s"], { transport });
      const running = start();
      await running.waitForLine(/Ready/);
      await insert(context, 0);
      await context[server][fault]();
      const { code } = await running.kill();
      assert.equal(code, 0, running.stderr.join("\n"));
      await context[server].restore();
      await start().waitForLine(/Ready/);
      await inStep(context);
    });
  }
}

for (const [server, transport] of STOPS) {
  faultTest(
    `relay() stops on SIGTERM although ${server} hangs as it starts, over ${transport}`,
    async (context) => {
      await context[server].pause();
      const running = context.relay([], { transport });
      await running.waitForLine(CONNECTS[server]);
      assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
      await context[server].restore();
    },
  );
}

faultTest("relay() stops when another one takes its stream over while MongoDB is away", async (context) => {
  const running = context.relay(["--lease", "1s"]);
  await running.waitForLine(/Ready/);
  await context.mongodbServer.pause();
  await context.sql("REFRESH TABLE cdc_position");
  await context.sql("UPDATE cdc_position SET owner = 'another'");
  await running.waitForLine(/^Error: Another relay \(another\) has taken over this stream/);
  assert.equal((await running.status).code, 1);
});

/** Longer than the driver waits for an answer before it gives up its connections, and than the heartbeat's interval. */
const LONG_OUTAGE = 16_000;

faultTest(
  "relay() outlasts a MongoDB that hangs for long, and keeps its lease in cdc_position",
  async (context) => {
    const { sql, mongodbServer, relay } = context;
    const running = relay(["--lease", "1s"]);
    await running.waitForLine(/Ready/);
    await insert(context, 0);
    await inStep(context);
    const state = async () => {
      await sql("REFRESH TABLE cdc_position");
      const [row] = await sql("SELECT saved_at, lease_until FROM cdc_position");
      return { savedAt: Number(row?.saved_at), leaseUntil: Number(row?.lease_until) };
    };
    await mongodbServer.pause();
    const half = LONG_OUTAGE / 2;
    await delay(half);
    const before = await state();
    await delay(half);
    const after = await state();
    assert.equal(after.savedAt, before.savedAt);
    assert.ok(after.leaseUntil >= before.leaseUntil + half / 2, "the lease was not kept");
    await mongodbServer.restore();
    await insert(context, 4_000);
    await inStep(context, { interval: 250 });
    assert.equal((await running.kill()).code, 0, running.stderr.join("\n"));
  },
);
