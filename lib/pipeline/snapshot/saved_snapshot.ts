/** The text in which an unfinished snapshot is saved with the position, and what it proves. */
import type { BSON } from "mongodb";
import type { SavedPosition } from "../../sink/metadata/saved_position.ts";
import { hasPassed, hasReached, savedToken } from "../../source/stream/resume_token.ts";
import { UserError } from "../../util/errors.ts";
import { isOnlySkipped, type SnapshotState } from "./snapshot_state.ts";

export const snapshotStateText = (state: SnapshotState): string => JSON.stringify(state);

/** The inverse of {@linkcode snapshotStateText}. */
export function parseSnapshotState(text: string): SnapshotState {
  let saved: unknown;
  try {
    saved = JSON.parse(text);
  } catch {
    // It is refused below.
  }
  if (isSnapshotState(saved)) return saved;
  throw new UserError(`The snapshot of this stream cannot be read: it is ${text.slice(0, 200)}`, {
    hint: "Someone has changed it, or another version has written it. Delete the row of this stream from " +
      "cdc_position: the next start takes a new snapshot.",
  });
}

function isSnapshotState(value: unknown): value is SnapshotState {
  if (!isObject(value)) return false;
  const { resumeAt, done, ranges, removesStale, documents, requeued } = value;
  return isNullOr(isString, resumeAt) && isListOf(isString, done) &&
    isObject(ranges) && Object.values(ranges).every((each) => isListOf(isRange, each)) &&
    typeof removesStale === "boolean" && typeof documents === "number" && isListOf(isNamespace, requeued);
}

type Check = (value: unknown) => boolean;

const isString: Check = (value) => typeof value === "string";
const isNullOr = (check: Check, value: unknown): boolean => value === null || check(value);
const isListOf = (check: Check, value: unknown): boolean => Array.isArray(value) && value.every(check);

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === "object" && !Array.isArray(value);

const isNamespace: Check = (value) =>
  isObject(value) && isString(value.database) && isString(value.collection);

const isRange: Check = (value) =>
  isObject(value) && isNullOr(isKey, value.after) && isNullOr(isKey, value.upTo);

const isKey: Check = (value) => typeof value === "string" && /^(?:[0-9a-f]{2})+$/i.test(value);

/**
 * Whether a relay has written all changes up to a time. Events of a transaction share a time, so the token of an event
 * alone does not prove it.
 *
 * @example
 * IN: {token of an event at that time, snapshot: null, isUpToDate: true, …} → OUT: true
 * IN: {token of an event at that time, snapshot: null, isUpToDate: false, …} → OUT: false
 */
export function hasWritten(
  { token, snapshot, isUpToDate }: Pick<SavedPosition, "token" | "snapshot" | "isUpToDate">,
  at: BSON.Timestamp,
): boolean {
  if (token === null || snapshot !== null) return false;
  const bytes = savedToken(token);
  return hasPassed(bytes, at) || isUpToDate && hasReached(bytes, at);
}

/**
 * The position of all collections but skipped ones, which a relay reads again before it follows them.
 *
 * @example
 * IN: {snapshot: a skipped collection that is to be read, …} → OUT: {snapshot: null, …}
 */
export function besideSkipped<Position extends Pick<SavedPosition, "snapshot">>(
  position: Position,
): Position {
  const { snapshot } = position;
  if (snapshot === null || !isOnlySkipped(parseSnapshotState(snapshot))) return position;
  return { ...position, snapshot: null };
}
