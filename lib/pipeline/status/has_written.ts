/** Whether a relay has written everything up to a time, by the position that it has saved. Pure. */
import type { BSON } from "mongodb";
import type { SavedPosition } from "../../sink/metadata/saved_position.ts";
import { parseSnapshotState } from "../snapshot/saved_snapshot.ts";
import { isOnlySkipped } from "../snapshot/snapshot_state.ts";
import { hasPassed, hasReached, savedToken } from "../../source/stream/resume_token.ts";

/**
 * Events of a transaction share a time, so the token of an event does not tell alone that all of its time is written.
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
