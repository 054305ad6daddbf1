/** What a stream does, in a sentence, and what to do about each of its problems. */
import type { RelayStatus } from "../pipeline/status/relay_status.ts";
import { HEADROOM_PART, type StreamState } from "../sink/metadata/status_view.ts";
import { durationText } from "../util/text.ts";

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

export interface Seen {
  readonly status: RelayStatus;
  /** In milliseconds. */
  readonly maxLag: number;
  readonly now: number;
  readonly owner: string | null;
  /** Why the stream is paused; null without a reason. */
  readonly pausedFor: string | null;
  /** Milliseconds until the snapshot ends; null if unknown. */
  readonly snapshotLeft: number | null;
  readonly deadLetters: number;
  readonly collections: readonly {
    readonly collection: string;
    readonly state: string;
    readonly reason: string | null;
    readonly hint: string | null;
    /** Outcome of its last verification; null for none. */
    readonly verified?: string | null;
  }[];
}

/**
 * @example
 * IN: {status: {phase: "following", lag: 25, …}, …} → OUT: {state: "ok", sentence: "Following: 25 ms behind MongoDB", warnings: []}
 */
export function healthOf(seen: Seen): Health {
  const problems = problemsOf(seen);
  const { phase } = seen.status;
  const quiet = phase === "starting" || phase === "standby" ? phase : "ok";
  return {
    state: problems.map(({ state }) => state).find((state) => state !== undefined) ?? quiet,
    sentence: sentenceOf(seen),
    warnings: problems.map(({ text, hint }) => ({ text: sentence(text), hint })),
  };
}

function sentenceOf({ status, owner, pausedFor, snapshotLeft }: Seen): string {
  const { phase, lag, snapshotDone, snapshotTotal } = status;
  const behind = lag === null ? "the lag is not known yet" : `${durationText(lag)} behind MongoDB`;
  if (phase === "following") return lag === 0 ? "Following: no change is waiting" : `Following: ${behind}`;
  if (phase === "catching up") return `Catching up: ${behind}`;
  if (phase === "snapshot") {
    const part = snapshotTotal ? Math.floor(100 * (snapshotDone ?? 0) / snapshotTotal) : 0;
    const left = snapshotLeft === null ? "" : `, about ${durationText(snapshotLeft)} left`;
    return `Taking a snapshot: ${part} % of ${(snapshotTotal ?? 0).toLocaleString("en-US")} documents${left}`;
  }
  if (phase === "starting") return "Starting: connecting to both databases";
  if (phase === "standby") return `Standing by: ${owner ?? "another process"} follows this stream`;
  if (phase === "paused") return `Paused${pausedFor === null ? "" : ` (${pausedFor})`}: ${behind}`;
  if (phase === "failed") return "Failed: this stream is not followed";
  if (phase === "stopped") return "Stopped: the position is saved";
  return `W${phase.slice(1)}${lag === null ? "" : `: the tables are ${durationText(lag)} old`}`;
}

const HINTS = {
  failed: "Correct the cause, and start cdc-relay: it resumes. With --config, it starts the stream again.",
  stopped: "Start cdc-relay: it resumes from its position.",
  waiting:
    "Nothing is lost: the relay tries again, and resumes. Check that the server runs, and the way to it.",
  oplog: "Enlarge the oplog now (replSetResizeOplog): otherwise all documents are read again.",
  paused: "ctl resume goes on from the saved position.",
  behind: "If it grows, a database is too slow: cdc_relay_stage_duration_seconds in /metrics shows which.",
  letters: "ctl letters list shows the errors. Correct the documents or columns, then: ctl letters retry.",
};

interface Problem extends Warning {
  /** Undefined for one of a collection alone. */
  readonly state: StreamState | undefined;
}

/** In the order of `STATES`. */
function problemsOf({ status, maxLag, now, deadLetters, collections }: Seen): readonly Problem[] {
  const { phase, lag, lastError, oplogHeadroom: left, clusterTime } = status;
  const found: Problem[] = [];
  const add = (state: Problem["state"], text: string, hint: string) => found.push({ state, text, hint });
  const kept = left === null ? "" : ` The oplog keeps the position for another ${durationText(left)}.`;
  const isAway = phase.startsWith("waiting for ");
  if (phase === "failed") add(phase, `The stream has ended: ${lastError}`, HINTS.failed);
  if (phase === "stopped") add(phase, "No relay follows this stream", HINTS.stopped);
  if (isAway) {
    const system = phase.replace("waiting for ", "");
    add(phase as StreamState, `${system} does not answer: ${lastError}`, HINTS.waiting + kept);
  }
  if (left !== null && left < (left + now - (clusterTime ?? now)) / HEADROOM_PART) {
    add("oplog nearly passed", `MongoDB deletes the next changes in ${durationText(left)}`, HINTS.oplog);
  }
  if (phase === "paused") add(phase, "Nothing is read or written", HINTS.paused + kept);
  else if (lag !== null && lag > maxLag && !isAway) {
    const limit = `more than --max-lag ${durationText(maxLag)}`;
    add("far behind", `The tables are ${durationText(lag)} behind, ${limit}`, HINTS.behind);
  }
  for (const { collection, state, reason, hint } of collections) {
    if (state !== "failed") continue;
    const next = `Then ctl snapshot ${collection} reads it again; the relay tries within a minute.`;
    add(
      "failed collections",
      `${collection} failed: ${reason}`,
      `${sentence(hint ?? "Make it usable")} ${next}`,
    );
  }
  const letters = `${deadLetters.toLocaleString("en-US")} documents could not be stored`;
  if (deadLetters > 0) add("dead letters", letters, HINTS.letters);
  for (const { collection, state, verified } of collections) {
    const again = `ctl snapshot ${collection} reads it again.`;
    if (state === "paused") add(undefined, `${collection} is paused: its changes are skipped`, again);
    const repair = `ctl verify ${collection} --repair writes these documents again.`;
    if (verified === "different") add(undefined, `${collection} differed when it was last verified`, repair);
  }
  return found;
}

const sentence = (text: string): string => /[.!?]$/.test(text) ? text : `${text}.`;
