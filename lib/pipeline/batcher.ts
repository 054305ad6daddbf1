/** Reads ahead: while one batch is written, the next ones that arrive are joined. */
import type { ChangeBatch } from "../source/change_stream.ts";

export interface BatchLimits {
  /** Events in one batch at most, unless a single reply has more. */
  readonly batchSize: number;
  readonly batchBytes: number;
}

/**
 * Yields as soon as there is something. The further the consumer is behind, the larger the batches, up to the limits.
 * Reads at most one full batch ahead.
 */
export async function* bufferBatches(
  source: AsyncIterable<ChangeBatch>,
  limits: BatchLimits,
): AsyncGenerator<ChangeBatch> {
  const iterator = source[Symbol.asyncIterator]();
  let waiting: ChangeBatch | undefined;
  let ended = false;
  let stopped = false;
  let failure: { error: unknown } | undefined;
  let wake = Promise.withResolvers<void>();
  let drained = Promise.withResolvers<void>();

  const read = async () => {
    try {
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        while (waiting && !stopped && !canJoin(waiting, next.value, limits)) await drained.promise;
        if (stopped) return;
        waiting = waiting ? join(waiting, next.value) : next.value;
        wake.resolve();
      }
    } catch (error) {
      failure = { error };
    }
    ended = true;
    wake.resolve();
  };
  const reading = read();
  try {
    while (true) {
      await wake.promise;
      wake = Promise.withResolvers();
      const batch = waiting;
      waiting = undefined;
      drained.resolve();
      drained = Promise.withResolvers();
      if (batch) yield batch;
      if (waiting) wake.resolve();
      else if (ended) {
        if (failure) throw failure.error;
        return;
      }
    }
  } finally {
    stopped = true;
    drained.resolve();
    await iterator.return?.();
    await reading;
  }
}

const canJoin = (one: ChangeBatch, other: ChangeBatch, { batchSize, batchBytes }: BatchLimits): boolean =>
  one.event === undefined && one.events + other.events <= batchSize && one.bytes + other.bytes <= batchBytes;

const join = (one: ChangeBatch, other: ChangeBatch): ChangeBatch => ({
  changes: one.changes.concat(other.changes),
  event: other.event,
  events: one.events + other.events,
  bytes: one.bytes + other.bytes,
  token: other.token,
  operationTime: other.operationTime,
});
