/** Whether a relay has written everything up to a time, by the position that it has saved. Pure. */
import type { BSON } from "mongodb";
import type { SavedPosition } from "../../sink/metadata/saved_position.ts";
import { parseSnapshotState } from "../snapshot/saved_snapshot.ts";
import { isOnlyLeftOut } from "../snapshot/snapshot_state.ts";
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
 * The position for all collections but those left out, which a relay reads when their tables can be used again.
 *
 * @example
 * IN: {snapshot: a left-out collection that is to be read, …} → OUT: {snapshot: null, …}
 */
export function besideLeftOut<Position extends Pick<SavedPosition, "snapshot">>(
  position: Position,
): Position {
  const { snapshot } = position;
  if (snapshot === null || !isOnlyLeftOut(parseSnapshotState(snapshot))) return position;
  return { ...position, snapshot: null };
}
