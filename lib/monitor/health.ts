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
  /** Why the stream is paused; null if nobody said. */
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

type Problem = readonly [applies: boolean, state: StreamState | undefined, text: string, hint: string];

/**
 * @example
 * IN: {status: {phase: "following", lag: 25, …}, …} → OUT: {state: "ok", sentence: "Following: 25 ms behind MongoDB", warnings: []}
 */
export function healthOf(seen: Seen): Health {
  const problems = problemsOf(seen).filter(([applies]) => applies);
  const { phase } = seen.status;
  const quiet = phase === "starting" || phase === "standby" ? phase : "ok";
  return {
    state: problems.map(([, state]) => state).find((state) => state !== undefined) ?? quiet,
    sentence: sentenceOf(seen),
    warnings: problems.map(([, , text, hint]) => ({ text: sentence(text), hint: sentence(hint) })),
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
  const lost = lag === null ? "" : `, ${behind}`;
  return `W${phase.slice(1)}${lost}`;
}

/** In the order of `STATES`; those without a state are no problems of the stream. */
function problemsOf({ status, maxLag, now, deadLetters, collections }: Seen): readonly Problem[] {
  const { phase, lag, lastError, oplogHeadroom: left, clusterTime } = status;
  const isAway = phase.startsWith("waiting for ");
  const system = phase.replace("waiting for ", "");
  const window = (left ?? 0) + now - (clusterTime ?? now);
  const kept = left === null ? "" : ` The oplog keeps the position for another ${durationText(left)}`;
  const of = (state: string) => collections.filter((each) => each.state === state);
  return [
    [
      phase === "failed",
      "failed",
      `The stream has ended: ${lastError}`,
      "Correct the cause. With --config the relay starts the stream again by itself; otherwise start cdc-relay again. It " +
      "resumes from the saved position",
    ],
    [
      phase === "stopped",
      "stopped",
      "No relay follows this stream",
      "Start cdc-relay: it resumes from its position",
    ],
    [
      isAway,
      phase as StreamState,
      `${system} does not answer: ${lastError}`,
      `Nothing is lost: the relay tries again, and resumes. Check that ${system} runs, and the way to it.${kept}`,
    ],
    [
      left !== null && left < window / HEADROOM_PART,
      "oplog nearly passed",
      `MongoDB deletes the changes after the position in ${durationText(left ?? 0)}`,
      "Enlarge the oplog now (replSetResizeOplog), and remove what slows the relay. Otherwise all documents are read again",
    ],
    [
      phase === "paused",
      "paused",
      "The stream is paused: nothing is read or written",
      `ctl resume goes on from the saved position.${kept}`,
    ],
    [
      lag !== null && lag > maxLag && !isAway && phase !== "paused",
      "far behind",
      `The tables are ${durationText(lag ?? 0)} behind, more than --max-lag ${durationText(maxLag)}`,
      "If the lag falls, wait. If it grows, a database is too slow: cdc_relay_stage_duration_seconds in /metrics shows which",
    ],
    ...of("failed").map(({ collection, reason, hint }): Problem => [
      true,
      "failed collections",
      `${collection} failed: ${reason}`,
      `${
        sentence(hint ?? "Make its table usable")
      } Then ctl snapshot ${collection} reads it again, or the relay by itself ` +
      "within a minute. The others continue",
    ]),
    [
      deadLetters > 0,
      "dead letters",
      `${deadLetters.toLocaleString("en-US")} documents could not be stored`,
      "ctl letters list shows them, with the errors. Correct the documents or the columns, then: ctl letters retry",
    ],
    ...of("paused").map(({ collection }): Problem => [
      true,
      undefined,
      `${collection} is paused: its changes are skipped`,
      `ctl snapshot ${collection} reads it again`,
    ]),
    ...collections.filter(({ verified }) => verified === "different").map(({ collection }): Problem => [
      true,
      undefined,
      `${collection} differed from MongoDB when it was last verified`,
      `ctl verify ${collection} --repair writes the documents that differ again`,
    ]),
  ];
}

const sentence = (text: string): string => /[.!?]$/.test(text) ? text : `${text}.`;
