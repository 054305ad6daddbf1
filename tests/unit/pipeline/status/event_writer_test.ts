import assert from "node:assert/strict";
import { EventWriter } from "../../../../lib/pipeline/status/event_recorder.ts";
import type { RelayEvent } from "../../../../lib/pipeline/status/events.ts";
import {
  type EventKind,
  type RecordedEvent,
  recordedEvent,
} from "../../../../lib/sink/metadata/event_log.ts";
import { QUIET } from "../../../../lib/util/log.ts";
import { fakeClock, START } from "../../../support/fake_clock.ts";

const DAY = 24 * 60 * 60_000;

function writing() {
  const clock = fakeClock();
  const written: (readonly RecordedEvent[])[] = [];
  const expired: number[] = [];
  const emitted: RelayEvent[] = [];
  const warnings: string[] = [];
  const table = { answer: (): Promise<void> => Promise.resolve() };
  const log = { ...QUIET, warn: (message: string) => warnings.push(message) };
  const writer = new EventWriter({ clock, log, emit: (event) => emitted.push(event) });
  const open = () =>
    writer.log = {
      write: async (events: readonly RecordedEvent[]) => {
        written.push(events);
        await table.answer();
      },
      expire: (now: number) => Promise.resolve(void expired.push(now)),
    };
  const record = (message: string, kind: EventKind = "started") =>
    writer.listen({
      type: "recorded",
      event: recordedEvent({ at: START, stream: "s", kind, message, details: {} }),
    });
  const beat = async () => {
    writer.beat();
    for (let turn = 0; turn < 10; turn++) await null;
  };
  const texts = () => written.map((each) => each.map(({ message }) => message));
  return { clock, writer, open, record, beat, texts, expired, emitted, warnings, table };
}

Deno.test("EventWriter writes what waits with one statement, once it has a table", async () => {
  const { open, record, beat, texts, expired } = writing();
  record("a");
  await beat();
  assert.deepEqual(texts(), []);
  open();
  record("b");
  record("verified", "verify_equal");
  await beat();
  await beat();
  assert.deepEqual([texts(), expired], [[["a", "b"]], [START]]);
});

Deno.test("EventWriter deletes old months once a day", async () => {
  const { clock, open, record, beat, expired } = writing();
  open();
  for (const wait of [0, DAY - 1, 1, DAY]) {
    clock.pass(wait);
    record("a");
    await beat();
  }
  assert.deepEqual(expired, [START, START + DAY, START + 2 * DAY]);
});

Deno.test("EventWriter has one statement on its way, whatever CrateDB does", async () => {
  const { open, record, beat, texts, table } = writing();
  open();
  const answer = Promise.withResolvers<void>();
  table.answer = () => answer.promise;
  for (const message of ["a", "b", "c"]) {
    record(message);
    await beat();
  }
  assert.deepEqual(texts(), [["a"]]);
  answer.resolve();
  await beat();
  await beat();
  assert.deepEqual(texts(), [["a"], ["b", "c"]]);
});

Deno.test("EventWriter writes again what CrateDB has not confirmed, and warns once", async () => {
  const { open, record, beat, texts, table, warnings } = writing();
  open();
  table.answer = () => Promise.reject(new Error("away"));
  record("a");
  for (let second = 0; second < 3; second++) await beat();
  record("b");
  table.answer = () => Promise.resolve();
  await beat();
  assert.deepEqual(texts(), [["a"], ["a"], ["a"], ["a", "b"]]);
  assert.equal(warnings.length, 1);
});

Deno.test("EventWriter keeps the newest 1,000 events, and counts the others", async () => {
  const { open, record, beat, texts, emitted } = writing();
  for (let event = 1; event <= 1_002; event++) record(String(event));
  open();
  await beat();
  assert.deepEqual([texts()[0]?.length, texts()[0]?.[0]], [1_000, "3"]);
  assert.deepEqual(emitted, [{ type: "recordsLost", events: 1 }, { type: "recordsLost", events: 1 }]);
});

Deno.test("EventWriter writes the last events when it is disposed of, and waits a second at most", async () => {
  const { clock, writer, open, record, texts, table } = writing();
  open();
  record("stopped");
  table.answer = () => new Promise(() => {});
  const disposed = writer[Symbol.asyncDispose]();
  while (clock.waits === 0) await null;
  clock.pass(1_000);
  await disposed;
  assert.deepEqual(texts(), [["stopped"]]);
});
