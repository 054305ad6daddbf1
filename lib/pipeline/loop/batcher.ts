/** Reads ahead: while a batch is written, the replies that arrive are joined to the next one. */
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import type { DocumentChange } from "../../source/stream/event.ts";
import type { RelaySettings } from "../settings.ts";

/** A single reply may have more events than `batchSize`. */
type BatchLimits = Pick<RelaySettings, "batchSize" | "batchBytes">;

/** One is written while the next one fills. */
const BATCHES_AT_ONCE = 2;

/**
 * Yields a batch as soon as a reply has arrived. The slower the consumer, the larger the batches, up to the limits. Reads
 * ahead at most one batch, and nothing while a far larger one is written.
 */
export async function* bufferBatches(
  source: AsyncIterable<ChangeBatch>,
  limits: BatchLimits,
): AsyncGenerator<ChangeBatch> {
  const iterator = source[Symbol.asyncIterator]();
  let waiting: WaitingBatch | undefined;
  /** The size of the batch that the consumer has. */
  let takenBytes = 0;
  let ended = false;
  let stopped = false;
  let failure: { error: unknown } | undefined;
  let changed = Promise.withResolvers<void>();

  const change = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  /** Whether another reply of this size fits in memory. */
  const hasRoom = (replyBytes: number): boolean => {
    const bytes = takenBytes + (waiting?.bytes ?? 0);
    return bytes === 0 || bytes + replyBytes <= BATCHES_AT_ONCE * limits.batchBytes;
  };
  const read = async () => {
    try {
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        while (waiting && !stopped && !canJoin(waiting, next.value, limits)) await changed.promise;
        if (stopped) return;
        waiting = waiting ? join(waiting, next.value) : { ...next.value, changes: [...next.value.changes] };
        change();
        while (!stopped && !hasRoom(next.value.bytes)) await changed.promise;
      }
    } catch (error) {
      failure = { error };
    }
    ended = true;
    change();
  };
  const reading = read();
  try {
    while (true) {
      while (!waiting && !ended) await changed.promise;
      const batch = waiting;
      if (!batch) break;
      waiting = undefined;
      takenBytes = batch.bytes;
      change();
      yield batch;
      takenBytes = 0;
      change();
    }
    if (failure) throw failure.error;
  } finally {
    stopped = true;
    change();
    await iterator.return?.();
    await reading;
  }
}

const canJoin = (one: ChangeBatch, other: ChangeBatch, { batchSize, batchBytes }: BatchLimits): boolean =>
  one.event === undefined && one.events + other.events <= batchSize && one.bytes + other.bytes <= batchBytes;

/** A batch whose list of changes grows with the replies that are joined to it. */
type WaitingBatch = ChangeBatch & { readonly changes: DocumentChange[] };

function join(one: WaitingBatch, other: ChangeBatch): WaitingBatch {
  const { changes } = one;
  for (const change of other.changes) changes.push(change);
  return {
    ...other,
    changes,
    events: one.events + other.events,
    bytes: one.bytes + other.bytes,
    wallTime: other.wallTime ?? one.wallTime,
  };
}
