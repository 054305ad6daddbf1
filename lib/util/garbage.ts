/** When the engine collects garbage: earlier than by itself, which lets 25 MB of live data grow to more than 100 MB. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** How much the heap grows until the next collection. */
const GROWTH_PERCENT = 70;
/** Garbage outside the heap, such as large documents, counts little for the engine. */
const LARGE_BYTES = 4 * 2 ** 20;

let collect: (() => void) | undefined;

function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("globalThis.gc") ?? (() => {}); // Only a new context has the function.
}

export const collectEarly = (): void => setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);

/**
 * Collects garbage before a large document is copied. Not for small ones: a forced collection compacts the heap twice,
 * which would take a third of the relay's CPU time.
 */
export function makeRoom(bytes: number): void {
  if (bytes > LARGE_BYTES) (collect ??= garbageCollector())();
}
