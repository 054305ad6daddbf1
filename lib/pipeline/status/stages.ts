/** The stages of the way of a batch, and how long they take. */

/**
 * - `read`: the loop has nothing to do and waits for the change stream
 * - `look_up`: MongoDB tells documents that the events do not
 * - `split`: documents become `data` and `overflow`
 * - `columns`: columns are made and widened
 * - `write`: rows are written, and the columns read again
 * - `refresh`: rows are made visible
 * - `save`: the position is saved
 */
export const STAGES = ["read", "look_up", "split", "columns", "write", "refresh", "save"] as const;

export type Stage = (typeof STAGES)[number];

/** A stage has ended, also by a failure. */
export interface StageDone {
  readonly type: "stageDone";
  readonly stage: Stage;
  readonly seconds: number;
}

export interface StageOptions {
  readonly emit: (event: StageDone) => void;
  /** Milliseconds since some moment. @default {performance.now} */
  readonly now?: () => number;
}

/** Runs a piece of work, with its stages, so that whoever traces it sees it as one. */
export type Trace = <T>(
  name: "batch" | "snapshot slice" | "checkpoint",
  work: () => Promise<T>,
) => Promise<T>;

export const UNTRACED: Trace = (_name, work) => work();

const monotonic = (): number => performance.now();

/** Runs a stage, and tells how long it took. */
export async function timed<T>(
  stage: Stage,
  work: () => T | Promise<T>,
  { emit, now = monotonic }: StageOptions,
): Promise<T> {
  const startedAt = now();
  try {
    return await work();
  } finally {
    emit({ type: "stageDone", stage, seconds: (now() - startedAt) / 1_000 });
  }
}

/** The same parts. The time until each comes is a stage, without that of whoever takes it. */
export async function* timedParts<T>(
  stage: Stage,
  parts: AsyncIterable<T>,
  { emit, now = monotonic }: StageOptions,
): AsyncGenerator<T> {
  let startedAt = now();
  for await (const part of parts) {
    emit({ type: "stageDone", stage, seconds: (now() - startedAt) / 1_000 });
    yield part;
    startedAt = now();
  }
}
