/** The verbs that steer a stream as a whole: pause, resume, rate, stop and reload. */
import { clusterTimeText } from "../../source/connection/cluster_time.ts";
import { hasPassed, savedToken } from "../../source/stream/resume_token.ts";
import { assertRuns, RefusedError, type Verb, type Verbs } from "./verb.ts";
import { verbOf } from "./verb_arguments.ts";

const pause = verbOf("pause", "immediate", ({ reason = null, resumeAt: until, resume }) => {
  if (until === "now") throw new RefusedError("resumeAt is now: the pause would end as it begins");
  const resumeAt = until ? until.t * 1_000 : null;
  return async ({ request, stream, isResumed }) => {
    const time = resumeAt === null ? undefined : new Date(resumeAt).toISOString();
    if (resumeAt !== null && resumeAt <= stream.clock.now() && !isResumed) {
      throw new RefusedError(`resumeAt is over: ${time}`);
    }
    await stream.pause({ since: request.askedAt, reason, resumeAt, resume });
    const end = resume === "auto"
      ? "earlier, before MongoDB drops the changes after the position"
      : "history may be lost";
    return `Paused until ${time ?? "it is resumed"}; ${end}.`;
  };
});

const resume = verbOf("resume", "immediate", () => async ({ stream, isResumed, request }) => {
  if (!stream.paused && !isResumed) throw new RefusedError("The stream is not paused.");
  if (stream.paused) await stream.resume(`asked for by ${request.askedBy ?? "somebody"}`);
  return "Resumed.";
});

/** Long, as it waits for the loop. */
const rate = verbOf("rate", "long", (rates) => {
  const given = Object.entries(rates).filter(([, value]) => value !== undefined);
  if (given.length === 0) {
    throw new RefusedError("rate needs snapshot or verify: documents a second, 0 for no limit");
  }
  return async ({ stream }) => {
    const { snapshot, verify = stream.verifyRate } = rates;
    stream.verifyRate = verify;
    if (snapshot !== undefined) {
      stream.replace({ snapshotRate: snapshot });
      if (!stream.paused) await stream.between((loop) => Promise.resolve(loop.snapshot.limit(snapshot)));
    }
    const texts = given.map(([name, value]) =>
      `${name} ${value === 0 ? "without a limit" : `${value} documents/s`}`
    );
    return `Rate: ${texts.join(", ")}; until the next reload or start.`;
  };
});

const stop = verbOf("stop", "long", ({ at }) => async ({ stream, isResumed }) => {
  if (at !== "now") {
    if (stream.settings.snapshot === "only") throw new RefusedError("The stream ends with its snapshot.");
    // The first term of the next relay must not begin before this.
    const now = isResumed ? undefined : await stream.timeNow();
    assertRuns(stream);
    if (now && at.lte(now)) {
      throw new RefusedError(`${clusterTimeText(at)} is over: MongoDB is at ${clusterTimeText(now)}`);
    }
    const { token } = stream.state;
    if (token !== null && hasPassed(savedToken(token), at)) {
      throw new RefusedError(`Changes after ${clusterTimeText(at)} are written already.`);
    }
  }
  const time = await stream.stop(at, { isResumed });
  const reached = time
    ? `at ${clusterTimeText(time)}, operation time ${time.t}:${time.i}`
    : "before the first batch";
  stream.log.info(`Stopped as asked ${reached}`);
  const rest = stream.state.snapshot === null
    ? ""
    : " The snapshot was not finished: the next start goes on with it.";
  return `Stopped ${reached}.${rest}`;
});

/** @param reload reads the file of the relay again, and returns why it was not used; undefined for a relay without a file */
export const reloadVerb = (reload?: () => readonly string[]): Verb =>
  verbOf("reload", "immediate", () => {
    if (!reload) {
      throw new RefusedError("The relay was started without a file.", { hint: "Restart it with --config." });
    }
    return () => {
      const refusals = reload();
      if (refusals.length > 0) throw new RefusedError(refusals.join(" "));
      return Promise.resolve("The file was reloaded.");
    };
  });

export const OWN_VERBS: Verbs = { pause, resume, rate, stop, reload: reloadVerb() };
