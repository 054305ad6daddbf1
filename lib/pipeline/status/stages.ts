/** The stages of a batch, and how long each takes. */

/**
 * - `read`: the loop is idle and waits for the change stream
 * - `look_up`: MongoDB returns documents that the events lack
 * - `split`: documents become `data` and `overflow`
 * - `columns`: columns are added and widened
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

type StageOptions = { readonly emit: (event: StageDone) => void; readonly now?: () => number };

/** Runs a piece of work, with its stages, in one span. */
export type Trace = <T>(
  name: "batch" | "snapshot slice" | "checkpoint",
  work: () => Promise<T>,
) => Promise<T>;

export const UNTRACED: Trace = (_name, work) => work();

/** Runs a stage, and emits how long it took. */
export async function timed<T>(
  stage: Stage,
  work: () => T | Promise<T>,
  { emit, now = () => performance.now() }: StageOptions,
): Promise<T> {
  const startedAt = now();
  try {
    return await work();
  } finally {
    emit({ type: "stageDone", stage, seconds: (now() - startedAt) / 1_000 });
  }
}

/** Yields the parts. The time until each one is a stage, without the time that the consumer takes. */
export async function* timedParts<T>(
  stage: Stage,
  parts: AsyncIterable<T>,
  { emit, now = () => performance.now() }: StageOptions,
): AsyncGenerator<T> {
  let startedAt = now();
  for await (const part of parts) {
    emit({ type: "stageDone", stage, seconds: (now() - startedAt) / 1_000 });
    yield part;
    startedAt = now();
  }
}
