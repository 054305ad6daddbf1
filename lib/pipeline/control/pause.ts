/** A pause of a stream: as it is saved with the position, and when it ends without a request. Pure. */
import { headroomAt, type OplogReach } from "../status/events.ts";
import { durationText } from "../../util/text.ts";
import { HEADROOM_PART } from "../../sink/metadata/status_view.ts";

/** Times are in milliseconds since 1970. */
export interface Pause {
  readonly since: number;
  readonly reason: string | null;
  readonly resumeAt: number | null;
  /** Whether it ends before MongoDB drops the changes after the position. */
  readonly resume: "auto" | "never";
}

const HOUR_MS = 3_600_000;

/**
 * The oplog headroom at which a pause ends, in milliseconds: an hour, and at least a tenth of the window. A window of less
 * than two hours counts with its half, or no pause would be possible.
 *
 * @example IN: a window of 24 h → OUT: 2.4 h; of 5 h → OUT: 1 h; of 30 min → OUT: 15 min
 */
export const leastHeadroom = (window: number): number =>
  Math.max(window / HEADROOM_PART, Math.min(HOUR_MS, window / 2));

/** Why a pause ends, or why somebody should end it; undefined while it may go on. */
export function endOfPause(
  { resumeAt, resume }: Pause,
  { now, position, oplog }: {
    /** By MongoDB's clock. */
    readonly now: number;
    /** The cluster time of the saved position; undefined if unknown. */
    readonly position: number | undefined;
    /** Undefined if unknown. */
    readonly oplog: OplogReach | undefined;
  },
): { readonly resumes: boolean; readonly why: string } | undefined {
  if (resumeAt !== null && now >= resumeAt) {
    return { resumes: true, why: `The pause was to end at ${new Date(resumeAt).toISOString()}.` };
  }
  const window = oplog?.fullWindow;
  const headroom = oplog && position !== undefined ? headroomAt(position, oplog) : undefined;
  if (window === undefined || headroom === undefined || headroom >= leastHeadroom(window)) return undefined;
  const why = `MongoDB drops the changes after the position in ${durationText(headroom)}, of an oplog of ${
    durationText(window)
  }.`;
  return { resumes: resume === "auto", why };
}
