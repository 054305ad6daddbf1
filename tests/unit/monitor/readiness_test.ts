import assert from "node:assert/strict";
import { readiness } from "../../../lib/monitor/monitor.ts";
import type { RelayStatus } from "../../../lib/pipeline/status/relay_status.ts";
import { statusOf } from "../../support/status_of.ts";

const MAX_LAG = 60_000;

const CASES: readonly (readonly [Partial<RelayStatus>, boolean, string])[] = [
  [{ phase: "following", lag: 40 }, true, "following, 0.04 s behind"],
  [{ phase: "catching up", lag: 60_000 }, true, "catching up, 60 s behind"],
  [{ phase: "catching up", lag: 60_001 }, false, "catching up, 60.001 s behind, more than --max-lag 60 s"],
  [{ phase: "following", lag: null }, false, "following, the lag is unknown yet"],
  [{ phase: "starting", lag: null }, false, "starting"],
  [{ phase: "snapshot", snapshotDone: 10, snapshotTotal: 40 }, false, "snapshot: 10 of 40 documents"],
  [
    { phase: "waiting for CrateDB", lag: 0, lastError: "connection\n refused" },
    false,
    "waiting for CrateDB: connection refused",
  ],
  [{ phase: "waiting for MongoDB" }, false, "waiting for MongoDB"],
  [{ phase: "stopped", lag: 0 }, false, "stopped"],
  [{ phase: "failed", lag: 0, lastError: "no" }, false, "failed: no"],
];

for (const [status, isReady, why] of CASES) {
  Deno.test(`readiness() ${isReady ? "is there" : "is not there"}: ${why}`, () => {
    assert.deepEqual(readiness(statusOf(status), MAX_LAG), { isReady, why });
  });
}
