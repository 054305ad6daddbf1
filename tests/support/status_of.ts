/** The status of a relay that follows, except for what a test sets. */
import type { RelayStatus } from "../../lib/pipeline/status/relay_status.ts";

export const statusOf = (what: Partial<RelayStatus>): RelayStatus => ({
  phase: "following",
  clusterTime: 1_800_000_000_000,
  lag: 0,
  snapshotDone: null,
  snapshotTotal: null,
  events: 0,
  upserts: 0,
  deletes: 0,
  overflowed: 0,
  deadLetters: 0,
  oplogHeadroom: null,
  writeLimits: null,
  failedCollections: [],
  lastError: null,
  ...what,
});
