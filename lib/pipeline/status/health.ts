/** What a stream does, in a sentence, and what to do about each of its problems: for `status`, `/status` and the page. */
import {
  type CollectionStatus,
  HEADROOM_PART,
  type StreamState,
  type StreamStatus,
} from "../../sink/metadata/status_view.ts";
import { durationText } from "../../util/text.ts";

export interface Warning {
  readonly text: string;
  /** What to do next. */
  readonly hint: string;
}

export interface Health {
  /** As in `cdc_status`: the first problem, or `ok`. */
  readonly state: StreamState | "starting" | "standby";
  readonly sentence: string;
  readonly warnings: readonly Warning[];
}

type Seen =
  & Pick<StreamStatus, "phase" | "lag_ms" | "snapshot_done" | "snapshot_total" | "dead_letters">
  & Pick<StreamStatus, "cluster_time" | "oplog_headroom_s" | "last_error" | "owner" | "reported_at">
  & {
    /** @default {seen by the process itself, which lives} */
    readonly state?: StreamState;
    readonly collections: readonly Pick<
      CollectionStatus,
      "collection" | "state" | "reason" | "hint" | "verified"
    >[];
  };

interface HealthContext {
  /** In milliseconds. */
  readonly maxLag: number;
  /** Why the stream is paused; null without a reason. */
  readonly pausedFor?: string | null;
  /** Milliseconds until the snapshot ends; null if unknown. */
  readonly snapshotLeft?: number | null;
}

/**
 * @example
 * IN: {phase: "following", lag_ms: 25, …} → OUT: {state: "ok", sentence: "Following: 25 ms behind MongoDB", warnings: []}
 */
export function healthOf(seen: Seen, context: HealthContext): Health {
  const problems = problemsOf(seen, context.maxLag);
  const { phase } = seen;
  const quiet = phase === "starting" || phase === "standby" ? phase : "ok";
  return {
    state: problems.find(({ state }) => state !== undefined)?.state ?? quiet,
    sentence: sentenceOf(seen, context),
    warnings: problems.map(({ text, hint }) => ({ text: ended(text), hint })),
  };
}

function sentenceOf(seen: Seen, { pausedFor = null, snapshotLeft = null }: HealthContext): string {
  const { phase, lag_ms: lag, snapshot_done: done, snapshot_total: total } = seen;
  const behind = lag === null ? "the lag is not known yet" : `${durationText(lag)} behind MongoDB`;
  if (phase === "following") return lag === 0 ? "Following: no change is waiting" : `Following: ${behind}`;
  if (phase === "catching up") return `Catching up: ${behind}`;
  if (phase === "snapshot") {
    const part = total ? Math.min(100, Math.floor(100 * (done ?? 0) / total)) : 0;
    const left = snapshotLeft === null ? "" : `, about ${durationText(snapshotLeft)} left`;
    return `Taking a snapshot: ${part} % of ${countText(total ?? 0)} documents${left}`;
  }
  if (phase === "standby") return `Standing by: ${seen.owner ?? "another process"} follows this stream`;
  if (phase === "paused") return `Paused${pausedFor === null ? "" : ` (${pausedFor})`}: ${behind}`;
  if (phase === "failed") return "Failed: this stream is not followed";
  if (phase === "stopped") return "Stopped: the position is saved";
  if (!phase?.startsWith(AWAY)) return "Starting: connecting to both databases";
  return `W${phase.slice(1)}${lag === null ? "" : `: the tables are ${durationText(lag)} old`}`;
}

const AWAY = "waiting for ";
/** Collections that are listed for each kind of problem. */
const LISTED = 10;

/** @example IN: 90_000 → OUT: The tables are 90 s behind MongoDB */
export const behindText = (lag: number): string => `The tables are ${durationText(lag)} behind MongoDB`;

/** @example IN: 90_000 → OUT: MongoDB deletes the next changes in 90 s: after that, a new snapshot is needed */
export const oplogText = (left: number): string =>
  `MongoDB deletes the next changes in ${durationText(left)}: after that, a new snapshot is needed`;

interface Problem extends Warning {
  /** Undefined for one of a collection alone. */
  readonly state: StreamState | undefined;
}

/** In the order of `STATES`. */
function problemsOf(seen: Seen, maxLag: number): readonly Problem[] {
  const { state, lag_ms: lag, last_error: lastError, dead_letters: letters, reported_at: reportedAt } = seen;
  const phase = state === "no sign of life" ? state : seen.phase ?? "";
  const left = seen.oplog_headroom_s === null ? Infinity : 1_000 * seen.oplog_headroom_s;
  const age = Math.max(0, Date.parse(reportedAt ?? "") - Date.parse(seen.cluster_time ?? "")) || 0;
  const kept = left === Infinity ? "" : ` The oplog keeps the position for another ${durationText(left)}.`;
  const isAway = phase.startsWith(AWAY);
  const found: Problem[] = [];
  const add = (state: Problem["state"], text: string, hint: string) => found.push({ state, text, hint });
  const addEach = (
    state: Problem["state"],
    collections: Seen["collections"],
    of: (collection: Seen["collections"][number]) => readonly [text: string, hint: string],
  ) => {
    for (const each of collections.slice(0, LISTED)) add(state, ...of(each));
    const more = collections.length - LISTED;
    if (more > 0) add(state, `${more} more collections are like these`, "status --output json has all.");
  };

  if (phase === "failed") {
    const hint =
      "Correct the cause, and start cdc-relay: it resumes. With --config, it starts again by itself.";
    add(phase, `The stream has ended: ${lastError}`, hint);
  }
  if (phase === "stopped") {
    add(phase, "No relay follows this stream", "Start cdc-relay: it resumes from its position.");
  }
  if (phase === "no sign of life") {
    const since = reportedAt === null ? "" : ` since ${reportedAt}`;
    add(phase, `No relay has reported${since}`, `Check that cdc-relay runs, and reaches CrateDB.${kept}`);
  }
  if (isAway) {
    const hint =
      "Nothing is lost: the relay tries again, and resumes. Check that the server runs, and the way to it.";
    add(phase as StreamState, `${phase.slice(AWAY.length)} does not answer: ${lastError}`, hint + kept);
  }
  if (left < (left + age) / HEADROOM_PART) {
    add("oplog nearly passed", oplogText(left), "Enlarge the oplog now (replSetResizeOplog).");
  }
  if (phase === "paused") {
    add(phase, "Nothing is read or written", `ctl resume goes on from the saved position.${kept}`);
  } else if (lag !== null && lag > maxLag && !found.some(({ state }) => state === phase)) {
    const hint =
      "If it grows, a database is too slow: cdc_relay_stage_duration_seconds in /metrics shows which.";
    add("far behind", `${behindText(lag)}, more than --max-lag ${durationText(maxLag)}`, hint);
  }
  const { failed = [], paused = [] } = Object.groupBy(seen.collections, ({ state }) => state);
  addEach("failed collections", failed, ({ collection, reason, hint }) => [
    `${collection} failed: ${reason}`,
    `${
      ended(hint ?? "Make it usable")
    } Then ctl snapshot ${collection} reads it again; the relay tries within a minute.`,
  ]);
  if (letters > 0) {
    const hint =
      "ctl letters list shows the errors. Correct the documents or columns, then: ctl letters retry.";
    add(
      "dead letters",
      `${countText(letters)} document${letters === 1 ? "" : "s"} could not be stored`,
      hint,
    );
  }
  addEach(undefined, paused, ({ collection }) => [
    `${collection} is paused: its changes are skipped`,
    `ctl snapshot ${collection} reads it again.`,
  ]);
  const different = seen.collections.filter(({ verified }) => verified === "different");
  addEach(undefined, different, ({ collection }) => [
    `${collection} differed when it was last verified`,
    `ctl verify ${collection} --repair writes these documents again.`,
  ]);
  return found;
}

const countText = (count: number): string => count.toLocaleString("en-US");

/** One line, with the full stop of a sentence. */
const ended = (text: string): string => text.replace(/\s+/g, " ").replace(/[^.!?]$/, "$&.");
