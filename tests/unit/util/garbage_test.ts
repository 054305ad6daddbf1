import assert from "node:assert/strict";
import { garbageLimit, V8_HEAP } from "../../../lib/util/garbage.ts";

/** A heap whose live data is `live`. */
class FakeHeap {
  live = 0;
  garbage = 0;
  collections = 0;

  size(): number {
    return this.live + this.garbage;
  }

  collect(): void {
    this.garbage = 0;
    this.collections++;
  }
}

Deno.test("garbageLimit() collects when the limit is reached, and not before", () => {
  const heap = new FakeHeap();
  const limit = garbageLimit(100, heap);
  heap.live = 30;
  for (const [garbage, collections] of [[69, 0], [70, 1], [69, 1], [80, 2]] as const) {
    heap.garbage = garbage;
    limit.makeRoom(0);
    assert.equal(heap.collections, collections);
  }
});

Deno.test("garbageLimit() collects before an addition would exceed the limit", () => {
  const heap = new FakeHeap();
  const limit = garbageLimit(100, heap);
  heap.garbage = 30;
  limit.makeRoom(69);
  assert.equal(heap.collections, 0);
  limit.makeRoom(70);
  assert.equal(heap.collections, 1);
});

Deno.test("garbageLimit() does not collect repeatedly if live data exceeds the limit", () => {
  const heap = new FakeHeap();
  const limit = garbageLimit(100, heap);
  heap.live = 200;
  for (let n = 0; n <= 100; n++) {
    heap.garbage++;
    limit.makeRoom(0);
  }
  assert.equal(heap.collections, 2); // At first, and when a third is garbage.
});

Deno.test("V8_HEAP collects what nothing holds any more", () => {
  const heap = V8_HEAP;
  heap.collect();
  const before = heap.size();
  const bytes = 32 * 2 ** 20;
  let held: Uint8Array | undefined = new Uint8Array(bytes).fill(1);
  assert.ok(heap.size() - before >= bytes / 2);
  assert.equal(held.length, bytes);
  held = undefined;
  heap.collect();
  assert.ok(heap.size() - before < bytes / 2);
});
