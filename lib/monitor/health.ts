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
  const problems = PROBLEMS.flatMap((find) => find(seen));
  const { phase } = seen.status;
  const quiet = phase === "starting" || phase === "standby" ? phase : "ok";
  return {
    state: problems.find(({ state }) => state !== undefined)?.state ?? quiet,
    sentence: sentenceOf(seen),
    warnings: problems.map(({ text, hint }) => ({ text, hint })),
  };
}

function sentenceOf({ status, owner, snapshotLeft }: Seen): string {
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
  if (phase === "failed") return "Failed: this stream is not followed";
  if (phase === "stopped") return "Stopped: the position is saved";
  const lost = lag === null ? "" : `, ${behind}`;
  return `W${phase.slice(1)}${lost}`;
}

const sentence = (text: string): string => /[.!?]$/.test(text) ? text : `${text}.`;

type Problem = Warning & { readonly state?: StreamState };

/** In the order of `STATES`. */
const PROBLEMS: readonly ((seen: Seen) => readonly Problem[])[] = [
  ({ status: { phase, lastError } }) =>
    phase !== "failed" ? [] : [{
      state: phase,
      text: `The stream has ended: ${lastError}`,
      hint:
        "Correct the cause. A relay with a file starts the stream again by itself; without a file, start " +
        "cdc-relay again. It resumes from the saved position.",
    }],
  ({ status: { phase } }) =>
    phase !== "stopped" ? [] : [{
      state: phase,
      text: "No relay follows this stream.",
      hint: "Start cdc-relay again: it resumes from the saved position.",
    }],
  ({ status: { phase, lastError, oplogHeadroom } }) => {
    if (!phase.startsWith("waiting for ")) return [];
    const system = phase.replace("waiting for ", "");
    const kept = oplogHeadroom === null
      ? ""
      : ` The oplog still has the changes of the next ${durationText(oplogHeadroom)}.`;
    return [{
      state: phase as StreamState,
      text: `${system} does not answer: ${lastError}`,
      hint:
        `Nothing is lost: the relay tries again and resumes.${kept} Check that ${system} runs, and that this ` +
        "machine reaches it.",
    }];
  },
  ({ status: { oplogHeadroom: left, clusterTime }, now }) =>
    left === null || left >= (left + now - (clusterTime ?? now)) / HEADROOM_PART ? [] : [{
      state: "oplog nearly passed",
      text: `MongoDB deletes the changes after the position in ${durationText(left)}.`,
      hint:
        "Enlarge the oplog now (replSetResizeOplog), and remove what slows the relay. Otherwise all documents " +
        "are read again.",
    }],
  ({ status: { lag, phase }, maxLag }) =>
    lag === null || lag <= maxLag || phase.startsWith("waiting for ") ? [] : [{
      state: "far behind",
      text: `The tables are ${durationText(lag)} behind, more than --max-lag ${durationText(maxLag)}.`,
      hint:
        "If the lag falls, wait. If it grows, CrateDB or MongoDB is too slow: cdc_relay_stage_duration_seconds in " +
        "/metrics shows which stage takes the time.",
    }],
  ({ collections }) =>
    collections.filter(({ state }) => state === "failed").map(({ collection, reason, hint }) => ({
      state: "failed collections",
      text: sentence(`${collection} failed: ${reason}`),
      hint:
        `${
          sentence(hint ?? "Make its table usable")
        } The relay tries again every minute and then reads the ` +
        "collection again; the others continue.",
    })),
  ({ deadLetters }) =>
    deadLetters === 0 ? [] : [{
      state: "dead letters",
      text: `${deadLetters.toLocaleString("en-US")} documents could not be stored.`,
      hint:
        "cdc_dead_letter has each of them, with the error. Correct the documents or the columns: a document that " +
        "fits is stored with its next change, or at the next start.",
    }],
  ({ collections }) =>
    collections.filter(({ state }) => state === "paused").map(({ collection, reason }) => ({
      text: `${collection} is paused${reason === null ? "" : `: ${reason}`}`,
      hint: "Its changes are skipped. After it resumes, it is read again.",
    })),
  ({ collections }) =>
    collections.filter(({ verified }) => verified === "different").map(({ collection }) => ({
      text: `${collection} differed from MongoDB when it was last verified.`,
      hint: "verify --repair writes the documents that differ again.",
    })),
];
