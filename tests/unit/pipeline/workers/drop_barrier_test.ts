import assert from "node:assert/strict";
import { BSON } from "mongodb";
import { bytesToHex } from "../../../../lib/bson/bson.ts";
import { streamOfPart } from "../../../../lib/key/stream_name.ts";
import { dropBarrier, type DropBarrierDeps } from "../../../../lib/pipeline/workers/drop_barrier.ts";
import type { CollectionSettings } from "../../../../lib/pipeline/settings.ts";
import { fullSnapshot } from "../../../../lib/pipeline/snapshot/snapshot_state.ts";
import type { CollectionEvent } from "../../../../lib/source/stream/event.ts";
import { Scope } from "../../../../lib/source/documents/scope.ts";
import { QUIET } from "../../../../lib/util/log.ts";

const token = (ordinal: number) =>
  BSON.serialize({ _data: `8200000064${ordinal.toString(16).padStart(8, "0")}2B` });
const hex = (ordinal: number) => bytesToHex(token(ordinal));
const stream = (index: number) => streamOfPart("shop.* -> t", { index, count: 3 });

const dropAt = (ordinal: number, fields: Partial<CollectionEvent> = {}): CollectionEvent => ({
  operation: "drop",
  namespace: { database: "shop", collection: "orders" },
  to: undefined,
  unfollowed: false,
  token: token(ordinal),
  ...fields,
});

type Saved = Awaited<ReturnType<DropBarrierDeps["read"]>>;

/** A worker, and the positions that the others have saved, by polls. */
function workerOf(index: number, polls: readonly (readonly Saved[])[], onDrop: "drop" | "keep" = "drop") {
  const done: string[] = [];
  let poll = 0;
  const barrier = dropBarrier({
    position: {
      stream: stream(index),
      save: ({ token, snapshot, barrier }) =>
        Promise.resolve(void done.push(`save ${token} ${snapshot && "snapshot"} ${barrier}`)),
    },
    tables: { refresh: () => Promise.resolve(void done.push("refresh")) },
    read: (name) => {
      const at = [0, 1, 2].find((index) => stream(index) === name) ?? -1;
      done.push(`look at ${at}`);
      return Promise.resolve(polls[Math.min(poll, polls.length - 1)]?.[at]);
    },
    share: { dropsRows: index === 0 },
    settings: {
      for: () => ({ onDrop } as CollectionSettings),
      scope: new Scope({ databases: ["shop"], collections: ["*"], exclude: [] }),
    },
    signal: new AbortController().signal,
    log: QUIET,
    clock: { now: () => 0, monotonic: () => 0, wait: () => Promise.resolve(void poll++) },
  });
  return { barrier, done };
}

const at = (ordinal: number): Saved => ({ token: hex(ordinal), barrier: null });
const waitingAt = (ordinal: number): Saved => ({ token: hex(ordinal - 1), barrier: hex(ordinal) });

Deno.test("dropBarrier() has worker 0 save its position, and wait until all others have reached the event", async () => {
  const { barrier, done } = workerOf(0, [
    [at(4), at(4), undefined],
    [at(4), waitingAt(5), undefined],
    [at(4), waitingAt(5), waitingAt(4)],
    [at(4), waitingAt(5), at(6)],
  ]);
  await barrier(dropAt(5), { token: token(4), snapshot: null });
  assert.deepEqual(done, [
    "refresh",
    `save ${hex(4)} null ${hex(5)}`,
    "look at 1",
    "look at 1",
    "look at 2",
    "look at 2",
    "look at 2",
  ]);
});

Deno.test("dropBarrier() has another worker save that it has reached the event, and wait for worker 0", async () => {
  const { barrier, done } = workerOf(2, [[at(4)], [waitingAt(5)], [at(5)]]);
  await barrier(dropAt(5), { token: token(3), snapshot: fullSnapshot({ removesStale: false }) });
  assert.deepEqual(done, [
    "refresh",
    `save ${hex(3)} snapshot ${hex(5)}`,
    "look at 0",
    "look at 0",
    "look at 0",
  ]);
});

Deno.test("dropBarrier() passes events after which no rows are deleted", async () => {
  const elsewhere = { database: "other", collection: "orders" };
  for (
    const event of [
      dropAt(5, { operation: "create" }),
      dropAt(5, { operation: "invalidate" }),
      dropAt(5, { namespace: elsewhere }),
      dropAt(5, { operation: "dropDatabase", namespace: elsewhere }),
    ]
  ) {
    const { barrier, done } = workerOf(1, [[]]);
    await barrier(event, { token: null, snapshot: null });
    assert.deepEqual(done, []);
  }
});

Deno.test("dropBarrier() passes a drop after which rows are kept", async () => {
  const { barrier, done } = workerOf(1, [[]], "keep");
  await barrier(dropAt(5), { token: null, snapshot: null });
  assert.deepEqual(done, []);
});
