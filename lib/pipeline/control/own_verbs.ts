/** The verbs that steer a stream as a whole: pause, resume, rate and stop. */
import type { BSON } from "mongodb";
import { operationTime } from "../../bson/operation_time.ts";
import { clusterTimeText } from "../../source/connection/cluster_time.ts";
import { hasPassed, savedToken } from "../../source/stream/resume_token.ts";
import type { Verbs } from "./controller.ts";
import { RefusedError, type Verb } from "./verb.ts";

type Given = Readonly<Record<string, unknown>>;

/** @throws RefusedError for arguments that the verb does not have */
function only(given: Given, ...names: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const known = names.length > 0 ? `Arguments: ${names.join(", ")}.` : "It has none.";
  throw new RefusedError(`Unknown argument: ${unknown}`, { hint: known });
}

/** @throws RefusedError for another type */
function textIn(given: Given, name: string): string | undefined {
  const value = given[name];
  if (value === undefined || value === null || typeof value === "string") return value ?? undefined;
  throw new RefusedError(`${name} is no text: ${JSON.stringify(value)}`);
}

/** @throws RefusedError for what is no whole number */
export function countIn(given: Given, name: string): number | undefined {
  const value = given[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new RefusedError(`${name} is no whole number of at least 0: ${JSON.stringify(value)}`);
}

/** A time of the argument, as {@linkcode operationTime} reads it. */
function timeIn(given: Given, name: string): "now" | BSON.Timestamp | undefined {
  const text = textIn(given, name);
  try {
    return text === undefined ? undefined : operationTime(text);
  } catch (error) {
    throw new RefusedError(`${name} ${(error as RangeError).message}: ${text}`);
  }
}

const pause: Verb = {
  kind: "immediate",
  read: (given) => {
    only(given, "reason", "resumeAt", "resume");
    const reason = textIn(given, "reason") ?? null;
    const until = timeIn(given, "resumeAt");
    if (until === "now") throw new RefusedError("resumeAt is now: the pause would end as it begins");
    const resumeAt = until === undefined ? null : until.t * 1_000;
    const resume = textIn(given, "resume") ?? "auto";
    if (resume !== "auto" && resume !== "never") {
      throw new RefusedError(`resume is neither auto nor never: ${resume}`);
    }
    return async ({ request, stream, isResumed }) => {
      if (resumeAt !== null && resumeAt <= stream.clock.now() && !isResumed) {
        throw new RefusedError(`resumeAt is over: ${new Date(resumeAt).toISOString()}`);
      }
      await stream.pause({ since: request.askedAt, reason, resumeAt, resume });
      const end = resumeAt === null ? "until it is resumed" : `until ${new Date(resumeAt).toISOString()}`;
      return `Paused ${end}; ${
        resume === "auto"
          ? "earlier, before MongoDB drops the changes after the position"
          : "history may be lost"
      }.`;
    };
  },
};

const resume: Verb = {
  kind: "immediate",
  read: (given) => {
    only(given);
    return async ({ stream, isResumed, request }) => {
      if (!stream.paused && !isResumed) throw new RefusedError("The stream is not paused.");
      if (stream.paused) await stream.resume(`asked for by ${request.askedBy ?? "somebody"}`);
      return "Resumed.";
    };
  },
};

const rate: Verb = {
  kind: "immediate",
  read: (given) => {
    only(given, "snapshot", "verify");
    const [snapshot, verify] = [countIn(given, "snapshot"), countIn(given, "verify")];
    if (snapshot === undefined && verify === undefined) {
      throw new RefusedError("rate needs snapshot or verify: documents a second, 0 for no limit");
    }
    return ({ stream }) => {
      if (verify !== undefined) stream.verifyRate = verify;
      if (snapshot !== undefined) {
        stream.replace({ snapshotRate: snapshot });
        // Later requests do not wait for a batch, which an absent MongoDB does not bring.
        stream.later((loop) => loop.snapshot.limit(snapshot));
      }
      const rates = Object.entries({ snapshot, verify }).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name} ${value === 0 ? "without a limit" : `${value} documents/s`}`]
      );
      return Promise.resolve(`Rate: ${rates.join(", ")}; until the next reload or start.`);
    };
  },
};

const stop: Verb = {
  kind: "long",
  read: (given) => {
    only(given, "at");
    const at = timeIn(given, "at") ?? "now";
    return async ({ stream, isResumed }) => {
      if (at !== "now") {
        if (stream.settings.snapshot === "only") throw new RefusedError("The stream ends with its snapshot.");
        if (stream.paused) throw new RefusedError("The stream is paused.", { hint: "Resume it first." });
        const now = isResumed ? undefined : await stream.timeNow();
        if (now && at.lte(now)) {
          throw new RefusedError(`${clusterTimeText(at)} is over: MongoDB is at ${clusterTimeText(now)}`);
        }
        const { token } = stream.state;
        if (token !== null && hasPassed(savedToken(token), at)) {
          throw new RefusedError(`Changes after ${clusterTimeText(at)} are written already.`);
        }
      }
      const time = await stream.stop(at, { isResumed });
      const isPartial = stream.state.snapshot !== null;
      const reached = time
        ? `at ${clusterTimeText(time)}, operation time ${time.t}:${time.i}`
        : "before the first batch";
      stream.log.info("Stopped as asked", { at: reached });
      return `Stopped ${reached}.${
        isPartial ? " The snapshot was not finished: the next start goes on with it." : ""
      }`;
    };
  },
};

/** @param reload reads the file of the relay again, and returns why it was not used; undefined for a relay without a file */
export const reloadVerb = (reload?: () => readonly string[]): Verb => ({
  kind: "immediate",
  read: (given) => {
    only(given);
    if (!reload) {
      throw new RefusedError("The relay was started without a file.", { hint: "Restart it with --config." });
    }
    return () => {
      const refusals = reload();
      if (refusals.length > 0) throw new RefusedError(refusals.join(" "));
      return Promise.resolve("The file was reloaded.");
    };
  },
});

export const OWN_VERBS: Verbs = { pause, resume, rate, stop, reload: reloadVerb() };
