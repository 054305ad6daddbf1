/** Whether a relay has written everything up to a time, by the position that it has saved. Pure. */
import type { BSON } from "mongodb";
import type { SavedPosition } from "../sink/metadata/saved_position.ts";
import { hasPassed, hasReached, savedToken } from "../source/resume_token.ts";

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
