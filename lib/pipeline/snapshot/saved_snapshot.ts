/** The text in which a snapshot that is not done is saved with the position. */
import type { Namespace } from "../../util/namespace.ts";
import { UserError } from "../../util/errors.ts";
import type { SnapshotState } from "./snapshot_state.ts";

/** The form in which it is saved. */
interface SavedSnapshot {
  readonly from: string | null;
  readonly sweep: boolean;
  readonly copied: number;
  readonly again: readonly (Namespace & { readonly keeps?: boolean; readonly leftOut?: boolean })[];
  readonly done: readonly string[];
  /** The key before each range, and its last one. */
  readonly ranges: Readonly<Record<string, readonly (readonly [string | null, string | null])[]>>;
}

/**
 * @example
 * OUT: {"from":"shop.orders","sweep":false,"copied":9,"again":[],"done":[],"ranges":{"shop.orders":[["1f",null]]}}
 */
export const snapshotStateText = (state: SnapshotState): string =>
  JSON.stringify(
    {
      from: state.resumeAt,
      sweep: state.removesGone,
      copied: state.documents,
      again: state.requeued.map(({ database, collection, keepsGone, leftOut }) => ({
        database,
        collection,
        ...keepsGone && { keeps: true },
        ...leftOut && { leftOut: true },
      })),
      done: state.done,
      ranges: Object.fromEntries(
        Object.entries(state.ranges).map(([name, ranges]) => [
          name,
          ranges.map(({ after, upTo }) => [after, upTo] as const),
        ]),
      ),
    } satisfies SavedSnapshot,
  );

/**
 * The inverse of {@linkcode snapshotStateText}.
 *
 * @throws UserError where somebody has changed it
 */
export function parseSnapshotState(text: string): SnapshotState {
  const saved = parseJson(text);
  if (!isSavedSnapshot(saved)) {
    throw new UserError(`The snapshot of this stream cannot be read: it is ${text.slice(0, 200)}`, {
      hint:
        "Somebody has changed it. Delete the row of this stream from cdc_position: the next start takes a new snapshot.",
    });
  }
  return {
    resumeAt: saved.from,
    done: saved.done,
    ranges: Object.fromEntries(
      Object.entries(saved.ranges).map((
        [name, ranges],
      ) => [name, ranges.map(([after, upTo]) => ({ after, upTo }))]),
    ),
    removesGone: saved.sweep,
    documents: saved.copied,
    requeued: saved.again.map(({ database, collection, keeps, leftOut }) => ({
      database,
      collection,
      ...keeps && { keepsGone: true },
      ...leftOut && { leftOut: true },
    })),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isSavedSnapshot(value: unknown): value is SavedSnapshot {
  if (!isObject(value)) return false;
  const { from, sweep, copied, again, done, ranges } = value;
  return (from === null || typeof from === "string") &&
    typeof sweep === "boolean" && typeof copied === "number" &&
    Array.isArray(again) && again.every(isNamespace) &&
    Array.isArray(done) && done.every((name) => typeof name === "string") &&
    isObject(ranges) && Object.values(ranges).every((each) => Array.isArray(each) && each.every(isRange));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const isRange = (value: unknown): boolean => Array.isArray(value) && value.length === 2 && value.every(isKey);

const isKey = (value: unknown): boolean =>
  value === null || typeof value === "string" && /^(?:[0-9a-f]{2})+$/i.test(value);

const isNamespace = (value: unknown): boolean =>
  isObject(value) && typeof value.database === "string" && typeof value.collection === "string";
