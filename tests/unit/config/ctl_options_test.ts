import assert from "node:assert/strict";
import { givenForStream } from "../../../lib/config/ctl_options.ts";

Deno.test("givenForStream() leaves out what a relay would read as its own option", () => {
  const flags = { collection: "shop.orders", filter: "{}", rate: "5", config: "relay.yaml" };
  assert.deepEqual(givenForStream("snapshot", { flags }).flags, { config: "relay.yaml" });
  assert.deepEqual(givenForStream("rate", { flags: { snapshot: "500", stream: "shop" } }).flags, {
    stream: "shop",
  });
});
