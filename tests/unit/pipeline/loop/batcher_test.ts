import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { BSON } from "mongodb";
import { raw, valueOf } from "../../../support/raw_bson.ts";
import type { ChangeBatch } from "../../../../lib/source/stream/change_stream.ts";
import { bufferBatches } from "../../../../lib/pipeline/loop/batcher.ts";
import { eventually } from "../../../../dev/servers/eventually.ts";

const NAMESPACE = { database: "testdrive", collection: "data" };
const LIMITS = { batchSize: 10, batchBytes: 1_000 };

/** A batch with a number, and as many changes as events. */
const batch = (serial: number, { events = 1, bytes = 1, event = "" } = {}): ChangeBatch => ({
  changes: Array.from({ length: events }, () => ({
    namespace: NAMESPACE,
    id: valueOf(raw.int32(serial)),
    document: null,
    operation: "delete",
  })),
  event: event
    ? {
      operation: event,
      namespace: NAMESPACE,
      to: undefined,
      unfollowed: false,
      token: Uint8Array.of(serial),
    }
    : undefined,
  events,
  bytes,
  token: Uint8Array.of(serial),
  operationTime: new BSON.Timestamp({ t: 1, i: serial }),
  wallTime: serial,
});

/** A source that counts what is read of it. */
class Source {
  read = 0;
  closed = false;
  readonly #batches: readonly ChangeBatch[];
  readonly #error: Error | undefined;

  constructor(batches: readonly ChangeBatch[], error?: Error) {
    this.#batches = batches;
    this.#error = error;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChangeBatch> {
    try {
      for (const batch of this.#batches) {
        await setImmediate();
        this.read++;
        yield batch;
      }
      if (this.#error) throw this.#error;
    } finally {
      this.closed = true;
    }
  }
}

const serials = ({ changes }: ChangeBatch): number[] => changes.map(({ id }) => id.bytes[id.offset] ?? -1);

/** Reads like a slow consumer: before each read but the first, the source has read as far ahead as it can. */
async function slowly(source: Source, total: number, limits = LIMITS): Promise<ChangeBatch[]> {
  const seen: ChangeBatch[] = [];
  for await (const batch of bufferBatches(source, limits)) {
    seen.push(batch);
    const before = source.read;
    if (before < total) await eventually(() => assert.ok(source.read > before), { interval: 1 });
    for (let at = -1; at !== source.read; await setImmediate()) {
      at = source.read;
      await setImmediate();
    }
  }
  return seen;
}

Deno.test("bufferBatches() yields the first batch at once", async () => {
  const endless = async function* () {
    yield batch(1);
    await new Promise<void>((resolve) => release = resolve);
  };
  let release = () => {};
  const batches = bufferBatches(endless(), LIMITS);
  assert.deepEqual(serials((await batches.next()).value), [1]);
  release();
  assert.equal((await batches.next()).done, true);
});

Deno.test("bufferBatches() joins what arrives while the consumer is busy", async () => {
  const seen = await slowly(new Source([batch(1), batch(2), batch(3), batch(4)]), 4);
  assert.deepEqual(seen.map(serials), [[1], [2, 3, 4]]);
  const last = seen.at(-1);
  assert.deepEqual([last?.events, last?.bytes, last?.token], [3, 3, Uint8Array.of(4)]);
  assert.equal(last?.operationTime?.i, 4);
});

const BOUNDS: readonly (readonly [string, readonly ChangeBatch[], number[][]])[] = [
  [
    "the number of events",
    [batch(0), batch(1, { events: 5 }), batch(2, { events: 5 }), batch(3)],
    [[0], [1, 1, 1, 1, 1, 2, 2, 2, 2, 2], [3]],
  ],
  ["their bytes", [batch(0), batch(1, { bytes: 999 }), batch(2), batch(3)], [[0], [1, 2], [3]]],
  ["an event", [batch(0), batch(1, { event: "drop" }), batch(2), batch(3)], [[0], [1], [2, 3]]],
  [
    "an event after changes",
    [batch(0), batch(1), batch(2, { event: "drop" }), batch(3), batch(4)],
    [[0], [1, 2], [3, 4]],
  ],
];

for (const [what, batches, expected] of BOUNDS) {
  Deno.test(`bufferBatches() bounds a batch by ${what}`, async () => {
    const seen = await slowly(new Source(batches), batches.length);
    assert.deepEqual(seen.map(serials), expected);
  });
}

Deno.test("bufferBatches() reads one full batch ahead and no further", async () => {
  const source = new Source(Array.from({ length: 50 }, (_, index) => batch(index, { events: 5 })));
  const batches = bufferBatches(source, LIMITS);
  await batches.next();
  await eventually(() => assert.ok(source.read >= 4), { interval: 1 });
  for (let turn = 0; turn < 50; turn++) await setImmediate();
  assert.equal(source.read, 4);
  for await (const _ of batches) continue;
  assert.equal(source.read, 50);
});

Deno.test("bufferBatches() reads nothing while a far larger reply waits or is written", async () => {
  const source = new Source([batch(0), batch(1, { bytes: 5_000 }), batch(2), batch(3)]);
  const batches = bufferBatches(source, LIMITS);
  const seen: number[][] = [];
  for await (const each of batches) {
    seen.push(serials(each));
    if (seen.length < 3) { for (let turn = 0; turn < 50; turn++) await setImmediate(); }
    assert.equal(source.read, [2, 2, 3, 4][seen.length - 1]);
  }
  assert.deepEqual(seen, [[0], [1], [2], [3]]);
});

Deno.test("bufferBatches() passes an error on, after what was read before it", async () => {
  const seen: number[] = [];
  const failing = bufferBatches(new Source([batch(1), batch(2)], new Error("broken")), LIMITS);
  await assert.rejects(async () => {
    for await (const batch of failing) seen.push(...serials(batch));
  }, /broken/);
  assert.deepEqual(seen, [1, 2]);
});

Deno.test("bufferBatches() of an empty source ends", async () => {
  assert.deepEqual(await Array.fromAsync(bufferBatches(new Source([]), LIMITS)), []);
});

Deno.test("bufferBatches() stops the source when the consumer stops", async () => {
  const source = new Source([batch(1), batch(2), batch(3)]);
  for await (const _ of bufferBatches(source, LIMITS)) break;
  assert.ok(source.closed);
  assert.ok(source.read < 3);
});

Deno.test("bufferBatches() stops when the consumer stops while a full batch waits", async () => {
  let looks = 0;
  const waiting: ChangeBatch = {
    ...batch(2, { bytes: 1_000 }),
    get bytes() {
      if (++looks > 1_000) throw new Error("looks at the batch again and again");
      return 1_000;
    },
  };
  const source = new Source([batch(1, { bytes: 0 }), waiting, batch(3), batch(4)]);
  for await (const _ of bufferBatches(source, LIMITS)) {
    await eventually(() => assert.equal(source.read, 3), { interval: 1 });
    break;
  }
  assert.ok(source.closed);
  assert.ok(looks < 1_000, `looked ${looks} times`);
});
