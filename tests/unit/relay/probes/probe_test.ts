import assert from "node:assert/strict";
import { describe } from "../../../../lib/pipeline/status/describe_error.ts";
import { ok } from "../../../../lib/pipeline/status/finding.ts";
import { askAll, type Probe } from "../../../../lib/relay/probes/probe.ts";
import { PROBES } from "../../../../lib/relay/probes/start.ts";
import { SinkError } from "../../../../lib/sink/connection/sink_error.ts";

const ERROR = new SinkError("Missing 'DDL' privilege for user 'ann'", { code: "4011" });

const GOOD: Probe<null> = { name: "good", ask: () => Promise.resolve([ok("fine"), ok("still fine")]) };
const BAD: Probe<null> = { name: "bad", ask: () => Promise.reject(ERROR) };

Deno.test("askAll() answers with the text and the hint by which the error would end a relay", async () => {
  const { message, hint } = describe(ERROR);
  assert.deepEqual(await askAll([BAD, GOOD], null), [
    { probe: "bad", level: "wrong", text: message, hint, collection: undefined },
    { probe: "good", level: "ok", text: "fine" },
    { probe: "good", level: "ok", text: "still fine" },
  ]);
});

Deno.test("the probes have distinct names, and a start asks some of them", () => {
  assert.equal(new Set(PROBES.map(({ name }) => name)).size, PROBES.length);
  const asked = PROBES.filter(({ isOfStart }) => isOfStart).map(({ name }) => name);
  assert.deepEqual(asked, ["oplog", "post-images", "cluster", "shards"]);
});
