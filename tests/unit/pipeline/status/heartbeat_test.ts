import assert from "node:assert/strict";
import { eventually } from "../../../../dev/servers/eventually.ts";
import { CRATEDB } from "../../../../lib/sink/sql/dialect.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";
import type { Transport } from "../../../../lib/sink/connection/transport.ts";
import { retrying } from "../../../../lib/sink/connection/wrappers.ts";
import { Heartbeat } from "../../../../lib/pipeline/status/heartbeat.ts";
import { OutageTracker } from "../../../../lib/util/outage.ts";
import { Shutdown } from "../../../../lib/util/shutdown.ts";
import { fakeClock } from "../../../support/fake_clock.ts";

Deno.test("Heartbeat stops asking a sink that is away when it is disposed of", async () => {
  const clock = fakeClock();
  let asked = 0;
  const sink: Transport = {
    dialect: CRATEDB,
    query: () => {
      asked++;
      return Promise.reject(new SinkError("refused", { code: "ECONNREFUSED" }));
    },
    async [Symbol.asyncDispose]() {},
  };
  const outages = new OutageTracker({ system: "CrateDB", emit: () => {}, clock });
  const answer = Promise.withResolvers<unknown>();
  const heartbeat = new Heartbeat({
    mongodb: { check: () => {} },
    sink: outages,
    ask: () => {
      const asking = retrying(sink, { shutdown, outages, retryFor: Infinity, clock }).query("SELECT 1");
      asking.catch(answer.resolve);
      return asking;
    },
    clock,
  });
  using shutdown: Shutdown = new Shutdown(heartbeat.closed);
  {
    using _beating = heartbeat.start();
    clock.pass(1_500);
    heartbeat.beat();
    await eventually(() => assert.equal(clock.waits, 1));
  }
  assert.equal((await answer.promise as Error).name, "AbortError");
  assert.equal(asked, 2);
});
