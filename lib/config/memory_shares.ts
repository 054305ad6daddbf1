/** How the memory that the relay may take is shared out among what waits in it. */

/** All in bytes. Data is there several times over on its way: as BSON, as JSON, as a statement and as its bytes. */
export interface MemoryShares {
  /** What a reply of MongoDB should have. A larger document comes alone. */
  readonly replyBytes: number;
  /** Events of one batch. One is written while the next one fills. */
  readonly batchBytes: number;
  /** JSON of one statement. A larger row is sent alone. */
  readonly statementBytes: number;
  /** JSON of all statements under way. */
  readonly inFlightBytes: number;
  /** All of that with its garbage, and what the program itself holds: when there is more, garbage is collected. */
  readonly heapBytes: number;
}

/**
 * @param maxMemory over what the runtime takes, in bytes
 *
 * @example
 * IN: 256 MiB → OUT: replies of 4 MiB, batches of 8 MiB, statements of 2 MiB, 8 MiB under way, a heap of 128 MiB
 */
export const memoryShares = (maxMemory: number): MemoryShares => ({
  replyBytes: shareOf(maxMemory, 64),
  batchBytes: shareOf(maxMemory, 32),
  statementBytes: shareOf(maxMemory, 128),
  inFlightBytes: shareOf(maxMemory, 32),
  heapBytes: shareOf(maxMemory, 2),
});

const shareOf = (bytes: number, parts: number): number => Math.max(1, Math.floor(bytes / parts));
