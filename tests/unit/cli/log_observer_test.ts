import assert from "node:assert/strict";
import { logObserver } from "../../../lib/cli/log_observer.ts";
import { summaryObserver } from "../../../lib/cli/summary_observer.ts";
import { createLogger, type LogFormat } from "../../../lib/util/log.ts";
import { statusOf } from "../../support/status_of.ts";

const NOW = Date.parse("2026-01-31T12:00:00Z");
const COUNTS = { upserts: 5, deletes: 1, overflowed: 0, deadLetters: 2 };

/** Lines of everything that the observers log. */
function linesOf(format: LogFormat): string[] {
  const lines: string[] = [];
  const log = createLogger({ format, level: "debug", write: (line) => lines.push(line) });
  const told = logObserver(log);
  told.ready();
  told.snapshotDone({ documents: 10, seconds: 1.5 });
  told.batchApplied({ events: 6, bytes: 100, seconds: 0.02 });
  told.outage({ system: "MongoDB", error: new Error("closed"), lasted: 60_000 });
  told.recovered({ system: "MongoDB", lasted: 41_037 });
  told.stopped({ ...COUNTS, events: 6, seconds: 90 });
  let now = NOW;
  let current = statusOf({ lag: 0 });
  const status = {
    get current() {
      return current;
    },
  };
  const summary = summaryObserver({ log, status, clock: { now: () => now } });
  for (let minute = 1; minute <= 7; minute++) {
    now += 60_000;
    current = statusOf({ lag: minute * 10_000, events: minute * 600, oplogHeadroom: 3_540_000 });
    summary.advanced({ ...COUNTS, clusterTime: now, lag: current.lag });
  }
  summary.oplogSeen({ oldest: NOW, window: 36_000_000 });
  return lines;
}

Deno.test("JSON lines of a relay have names in snake case, and numbers without units in their values", () => {
  const lines = linesOf("json").map((line): Record<string, unknown> => JSON.parse(line));
  assert.ok(lines.length >= 14, `${lines.length}`);
  for (const { time: _, level: __, message: ___, error: ____, ...fields } of lines) {
    for (const [name, value] of Object.entries(fields)) {
      assert.match(name, /^[a-z]+(?:_[a-z]+)*$/);
      assert.equal(typeof value, "number", `${name}=${value}`);
    }
  }
  const recovered = lines.find(({ message }) => message === "MongoDB answers again");
  assert.equal(recovered?.after_ms, 41_037);
});

Deno.test("text lines of a relay have the same numbers with units that people read", () => {
  const lines = linesOf("text").map((line) => line.slice(9));
  for (
    const expected of [
      'INFO  Snapshot done documents=10 duration="1.5 s"',
      'INFO  MongoDB answers again after="41 s"',
      'INFO  Stopped upserts=5 deletes=1 overflowed=0 events=6 dead_letters=2 duration="90 s"',
    ]
  ) assert.ok(lines.includes(expected), lines.join("\n"));
});
