import assert from "node:assert/strict";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { ControlRequests } from "../../lib/sink/metadata/control_requests.ts";
import { prepareTable } from "../../lib/sink/metadata/metadata_tables.ts";
import { cratedbTest } from "../support/cratedb_harness.ts";

cratedbTest("ControlRequests begins and cancels no request that has ended", async ({ httpUrl, schema }) => {
  await using transport = await openTransport(parseSinkUrl(httpUrl));
  await prepareTable(transport, schema, "cdc_control");
  const requests = new ControlRequests(transport, { schema, stream: "shop.*" });
  const stateOf = async () => (await requests.find("a"))?.state;
  await requests.add({ id: "a", verb: "pause" });
  await requests.save("a", { state: "running", starts: true });
  assert.equal(await stateOf(), "running");
  await requests.save("a", { state: "done", message: "Paused.", ends: true });
  await requests.show();
  await requests.save("a", { state: "cancelled", ends: true });
  await requests.save("a", { state: "running", starts: true });
  assert.equal(await stateOf(), "done");
  await requests.add({ id: "b", verb: "pause" });
  await requests.save("b", { state: "cancelled", ends: true });
  assert.equal((await requests.find("b"))?.state, "cancelled");
});
