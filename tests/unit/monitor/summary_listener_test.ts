import assert from "node:assert/strict";
import { summaryListener } from "../../../lib/monitor/log_listener.ts";
import { type Advance, emitter } from "../../../lib/pipeline/status/events.ts";
import { StatusTracker } from "../../../lib/pipeline/status/status_tracker.ts";
import { createLogger } from "../../../lib/util/log.ts";

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

function setUp() {
  const clock = { time: NOW, monotonic: () => clock.time };
  const lines: string[] = [];
  const log = createLogger({
    format: "text",
    level: "info",
    write: (line) => lines.push(line.replace(/^\S+ /, "")),
  });
  const status = new StatusTracker(clock);
  const emit = emitter(status.listen, summaryListener({ log, status, clock }));
  const namespace = { database: "shop", collection: "orders" };
  const rest = { deletes: 0, overflowed: 0, deadLetters: 0 };
  const advance = (advance: Partial<Advance> = {}, events = 0) => {
    emit({ type: "tableWritten", namespace, upserts: events, ...rest });
    emit({ type: "batchApplied", events, bytes: 0, seconds: 0 });
    emit({ type: "advanced", clusterTime: NOW, lag: 0, ...advance });
  };
  return { clock, lines, emit, advance };
}

Deno.test("summaryListener() sums up each minute in which something happens", () => {
  const { clock, lines, advance } = setUp();
  advance({ lag: 25 }, 3_000);
  assert.deepEqual(lines, []);
  clock.time += MINUTE;
  advance({ lag: 25 }, 3_000);
  clock.time += MINUTE;
  advance();
  clock.time += MINUTE;
  advance({}, 120);
  assert.deepEqual(lines, [
    'INFO  In the last 60 s events=6000 rows=6000 rate=100/s lag="25 ms"',
    'INFO  In the last 60 s events=120 rows=120 rate=2/s lag="0 ms"',
  ]);
});

Deno.test("summaryListener() warns once of a lag that grows for five minutes, and again after it was less", () => {
  const { clock, lines, advance } = setUp();
  const grow = (minutes: number) => {
    for (let minute = 1; minute <= minutes; minute++) {
      clock.time += MINUTE;
      advance({ lag: minute * 10_000 });
    }
  };
  grow(4);
  assert.deepEqual(lines, []);
  clock.time += MINUTE;
  advance({ lag: 50_000 });
  assert.deepEqual(lines, [
    'WARN  The tables fall further and further behind the collections lag="50 s" for="5 min"',
  ]);
  clock.time += MINUTE;
  advance({ lag: 60_000 });
  assert.equal(lines.length, 1);
  grow(5);
  assert.equal(lines.length, 1, "it was less in between");
  grow(6);
  assert.equal(lines.length, 2);
});

Deno.test("summaryListener() warns of a lag that grows while one batch is applied", () => {
  const { clock, lines, emit } = setUp();
  emit({ type: "batchStarted", lag: 1_000 });
  const outage = { system: "CrateDB", error: new Error("away") } as const;
  for (let minute = 0; minute <= 5; minute++) {
    clock.time += MINUTE;
    emit({ type: "outage", ...outage, lasted: minute * MINUTE });
  }
  assert.equal(lines.length, 1);
});

Deno.test("summaryListener() does not warn of a steady lag, nor of one below two seconds", () => {
  const { clock, lines, advance } = setUp();
  for (let minute = 1; minute <= 9; minute++) {
    clock.time += MINUTE;
    advance({ lag: 60_000 });
  }
  for (let minute = 1; minute <= 9; minute++) {
    clock.time += MINUTE;
    advance({ lag: minute * 200 });
  }
  assert.deepEqual(lines, []);
});
