/** The memory that all streams of a process share. */
import { GarbageLimit } from "../util/garbage.ts";
import { Semaphore } from "../util/concurrency.ts";
import type { RelaySettings } from "./settings.ts";

export interface MemoryBudget {
  /** Bytes of JSON in statements that are being sent. */
  readonly inFlight: Semaphore;
  readonly garbage: Pick<GarbageLimit, "makeRoom">;
}

export const memoryBudget = (
  { inFlightBytes, heapBytes }: Pick<RelaySettings, "inFlightBytes" | "heapBytes">,
): MemoryBudget => ({ inFlight: new Semaphore(inFlightBytes), garbage: new GarbageLimit(heapBytes) });
