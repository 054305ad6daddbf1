import assert from "node:assert/strict";
import { secondsPerFile, slowest } from "../../support/junit.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="4" failures="1" errors="0" time="2.337">
    <testsuite name="./tests/unit/b_test.ts" tests="2" disabled="0" errors="0" failures="0">
        <testcase name="a &quot;time=&quot;" classname="./tests/unit/b_test.ts" time="0.302" line="7" col="6">
        </testcase>
        <testcase name="b" classname="./tests/unit/b_test.ts" time="1.5" line="8" col="6">
            <failure message="Uncaught AssertionError">time="7"</failure>
        </testcase>
    </testsuite>
    <testsuite name="./tests/unit/a_test.ts" tests="1" disabled="0" errors="0" failures="0">
        <testcase name="a" classname="./tests/unit/a_test.ts" time="2.5" line="7" col="6">
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("secondsPerFile() sums the tests of each file", () => {
  assert.deepEqual(secondsPerFile(REPORT), {
    "./tests/unit/b_test.ts": 1.802,
    "./tests/unit/a_test.ts": 2.5,
  });
});

Deno.test("secondsPerFile() has no files for a run without a report", () => {
  assert.deepEqual(secondsPerFile(""), {});
});

Deno.test("slowest() has the longest first, and no more than asked for", () => {
  assert.deepEqual(slowest({ a: 1, b: 3, c: 2 }, 2), [["b", 3], ["c", 2]]);
});
