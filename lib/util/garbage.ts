/**
 * Has garbage collected sooner than the engine would: it lets 30 MB of live data become 200 MB with garbage, and the bytes
 * outside of its heap 64 MB more.
 */
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Whose garbage is collected. */
export interface Heap {
  /** What live data and garbage take, in bytes. */
  size(): number;
  collect(): void;
}

/** Where most of the limit is live data, collecting waits until a third is garbage. */
const GROWTH = 1.5;

export class GarbageLimit {
  readonly #bytes: number;
  readonly #heap: Heap;
  /** Size at which garbage is worth collecting. */
  #worthwhile = 0;

  /** @param bytes that live data and garbage should take at most */
  constructor(bytes: number, heap: Heap = new V8Heap()) {
    this.#bytes = bytes;
    this.#heap = heap;
  }

  /** Collects garbage where `bytes` more would be over the limit. Takes some 20 µs else. */
  makeRoom(bytes: number): void {
    const size = this.#heap.size();
    if (size + bytes < this.#bytes || size < this.#worthwhile) return;
    this.#heap.collect();
    this.#worthwhile = this.#heap.size() * GROWTH;
  }
}

/** The heap of this program, with the bytes that lie outside of it. */
export class V8Heap implements Heap {
  #collect: (() => void) | undefined;

  size(): number {
    const { heapTotal, external } = process.memoryUsage();
    return heapTotal + external;
  }

  collect(): void {
    this.#collect ??= collector();
    this.#collect();
  }
}

/** Only a context that is made after the flag has the function. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("globalThis.gc") ?? (() => {});
}
