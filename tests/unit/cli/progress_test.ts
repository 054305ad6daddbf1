import assert from "node:assert/strict";
import { progressLine, snapshotProgress } from "../../../lib/cli/progress.ts";
import { StatusLine } from "../../../lib/cli/status_line.ts";
import { QUIET } from "../../../lib/util/log.ts";

const SNAPSHOT = { title: "Snapshot", documents: 67_500, total: 150_000, rate: 27_120, left: 4, lag: 0 };

for (
  const [columns, expected] of [
    [79, "Snapshot ██████░░░░░░░ 45 % | 67,500 of 150,000 | 27,120/s | 4 s left | lag 0 s"],
    [
      139,
      `Snapshot ${"█".repeat(18)}${"░".repeat(22)} 45 % | 67,500 of 150,000 | 27,120/s | 4 s left | lag 0 s`,
    ],
    [60, "Snapshot 45 % | 67,500 of 150,000 | 27,120/s | 4 s left | lag 0 s"],
  ] as const
) {
  Deno.test(`progressLine() shows rate, time left and lag in ${columns} columns`, () =>
    assert.equal(progressLine(SNAPSHOT, columns), expected));
}

Deno.test("progressLine() has no time left without a rate, and no lag for a verification", () =>
  assert.equal(
    progressLine({ title: "Verifying", documents: 0, total: 10, rate: 0, left: null }, 40),
    "Verifying ░░░░░░░░░░ 0 % | 0 of 10 | 0/s",
  ));

Deno.test("progressLine() never shows more than 100 %, also if documents were added since they were counted", () =>
  assert.equal(
    progressLine({ title: "Snapshot", documents: 12, total: 10, rate: 1, left: 0 }, 50),
    "Snapshot ███████ 100 % | 12 of 12 | 1/s | 0 s left",
  ));

Deno.test("snapshotProgress() erases the bar when the snapshot is done", () => {
  let written = "";
  const statusLine = new StatusLine({ stream: { write: (text) => written += text }, columns: () => 80 });
  using progress = snapshotProgress({ statusLine, log: QUIET });
  progress.listen({ type: "snapshotProgress", documents: 5, total: 10, lagSeconds: 0 });
  assert.match(written, /50 %.*lag 0 s$/);
  progress.listen({ type: "snapshotDone", documents: 10, seconds: 1 });
  assert.ok(written.endsWith("\r\x1b[2K"));
});

Deno.test("snapshotProgress() counts the rate of each snapshot from its first document, hours after the start", () => {
  let now = 0;
  const logged: unknown[] = [];
  const log = { ...QUIET, info: (_: string, fields?: object) => void logged.push(fields) };
  using progress = snapshotProgress({ statusLine: undefined, log, clock: { monotonic: () => now } });
  const read = (documents: number) =>
    progress.listen({ type: "snapshotProgress", documents, total: 1_000, lagSeconds: 0 });
  now = 3_600_000;
  read(100);
  now += 5_000;
  read(600);
  assert.deepEqual(logged.at(-1), { documents: 600, total: 1_000, rate_per_s: 100, left_s: 4, lag_s: 0 });
});
