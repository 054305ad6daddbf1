import assert from "node:assert/strict";
import { featuresOf } from "../../../lib/source/server.ts";

/** Version, whether it splits large events, whether it has expanded events. */
const VERSIONS: readonly (readonly [string, boolean, boolean])[] = [
  ["4.4.29", false, false],
  ["5.0.31", false, false],
  ["6.0.0", false, true],
  ["6.0.5", false, true],
  ["6.0.8", false, true],
  ["6.0.9", true, true],
  ["6.0.27", true, true],
  ["7.0.0", true, true],
  ["7.0.0-rc0", true, true],
  ["8.0.4", true, true],
  ["10.0.1", true, true],
];

for (const [version, splitsLargeEvents, expandedEvents] of VERSIONS) {
  Deno.test(`featuresOf() MongoDB ${version}`, () =>
    assert.deepEqual(featuresOf(version), { version, splitsLargeEvents, expandedEvents }));
}
