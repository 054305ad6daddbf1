import assert from "node:assert/strict";
import { logListener, summaryListener } from "../../../lib/monitor/log_listener.ts";
import type { Listener } from "../../../lib/pipeline/status/events.ts";
import { recordedEvent } from "../../../lib/sink/metadata/event_log.ts";
import { createLogger, type LogFormat, type Logger, QUIET } from "../../../lib/util/log.ts";
import { SilentError } from "../../../lib/util/outage.ts";
import { statusOf } from "../../support/status_of.ts";

function logged(): { readonly lines: string[]; readonly emit: Listener } {
  const lines: string[] = [];
  const write: Logger["warn"] = (message, { error } = {}) => void lines.push(`${message}: ${error}`);
  return {
    lines,
    emit: logListener({ ...QUIET, warn: write, info: (message) => void lines.push(message) }),
  };
}

Deno.test("logListener() names the failure with which an outage begins, however long it took to notice", () => {
  const { lines, emit } = logged();
  const error = new Error("connection refused");
  emit({ type: "outageBegan", system: "CrateDB", error, lasted: 1 });
  emit({ type: "outage", system: "CrateDB", error, lasted: 60_000 });
  emit({ type: "recovered", system: "CrateDB", lasted: 61_000 });
  assert.deepEqual(lines, [
    "CrateDB failed, trying again: connection refused",
    "CrateDB has failed for 60 s, trying again: connection refused",
    "CrateDB answers again",
  ]);
});

Deno.test("logListener() logs that a silent system does not answer", () => {
  const { lines, emit } = logged();
  emit({ type: "outageBegan", system: "MongoDB", error: new SilentError(5_200), lasted: 5_200 });
  emit({ type: "outage", system: "MongoDB", error: new SilentError(65_200), lasted: 65_200 });
  assert.deepEqual(lines, [
    "MongoDB does not answer, waiting: no answer for 5 s",
    "MongoDB has not answered for 65 s, waiting: no answer for 65 s",
  ]);
});

const NOW = Date.parse("2026-01-31T12:00:00Z");

Deno.test("logListener() warns when the oplog has nearly passed the position, and of no other recorded event", () => {
  const lines: string[] = [];
  const emit = logListener(
    createLogger({ format: "text", level: "info", write: (line) => lines.push(line) }),
  );
  const event = { at: NOW, stream: "shop.* -> …", details: { left_ms: 59 * 60_000, window_ms: 36_000_000 } };
  emit({ type: "recorded", event: recordedEvent({ ...event, kind: "oplog_low", message: "Too late soon" }) });
  emit({ type: "recorded", event: recordedEvent({ ...event, kind: "lag_high", message: "Late" }) });
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /WARN {2}Too late soon left="59 min" window="10 h"$/);
});
const COUNTS = { upserts: 5, deletes: 1, overflowed: 0, deadLetters: 2 };

/** Lines of everything that the listeners log. */
function linesOf(format: LogFormat): string[] {
  const lines: string[] = [];
  const log = createLogger({ format, level: "debug", write: (line) => lines.push(line) });
  const emit = logListener(log);
  emit({ type: "ready" });
  emit({ type: "snapshotDone", documents: 10, seconds: 1.5 });
  emit({ type: "batchApplied", events: 6, bytes: 100, seconds: 0.02 });
  emit({ type: "outage", system: "MongoDB", error: new Error("closed"), lasted: 60_000 });
  emit({ type: "recovered", system: "MongoDB", lasted: 41_037 });
  emit({ type: "stopped", ...COUNTS, events: 6, seconds: 90 });
  let now = NOW;
  let current = statusOf({ lag: 0 });
  const status = {
    get current() {
      return current;
    },
  };
  const summary = summaryListener({ log, status, clock: { monotonic: () => now } });
  for (let minute = 1; minute <= 7; minute++) {
    now += 60_000;
    current = statusOf({ lag: minute * 10_000, events: minute * 600, oplogHeadroom: 3_540_000 });
    summary({ type: "advanced", ...COUNTS, clusterTime: now, lag: current.lag });
  }
  summary({ type: "oplogSeen", oldest: NOW, window: 36_000_000, isGrowing: false });
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
  const lines = linesOf("text").map((line) => line.replace(/^\S+ /, ""));
  for (
    const expected of [
      'INFO  Snapshot done documents=10 duration="1.5 s"',
      'INFO  MongoDB answers again after="41 s"',
      'INFO  Stopped events=6 upserts=5 deletes=1 overflowed=0 dead_letters=2 duration="90 s"',
    ]
  ) assert.ok(lines.includes(expected), lines.join("\n"));
});
