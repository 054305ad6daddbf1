/** `verify` of the control table: the relay compares a collection with its table, beside the stream. */
import { assertFollows, assertRuns } from "../pipeline/control/verb.ts";
import { verbOf } from "../pipeline/control/verb_arguments.ts";
import { Scope } from "../source/documents/scope.ts";
import type { VerifySettings } from "./collection.ts";
import { textReport } from "./result.ts";
import { verify } from "./verify.ts";

/** The defaults of the command. */
const DEFAULTS = {
  compare: "documents",
  sample: 0,
  runs: "once",
  settle: 30_000,
  generations: 10,
  output: "text",
} as const;

export const verifyVerb = verbOf(
  "verify",
  "long",
  ({ collection: { database, collection }, repair }) => async ({ stream, progress, signal }) => {
    const { settings: relay, verifyRate: rate, log } = stream;
    assertFollows(stream, { database, collection });
    // Each worker gets the request. One of them verifies the rows of all.
    if (relay.worker && relay.worker.index > 0) return "";
    assertRuns(stream);
    const scope = new Scope({ databases: [database], collections: [collection], exclude: [] });
    const settings: VerifySettings = {
      ...DEFAULTS,
      relay: { ...relay, scope, worker: undefined },
      runsIn: stream.names.stream,
      wholeIn: relay.namesIn,
      differences: repair ? "repair" : "report",
      rate,
    };
    const results = await verify(settings, {
      signal,
      log,
      emit: (event) => {
        if (event.type === "progress") progress(`${event.documents} of about ${event.total} documents`);
        // Its outages are not those of the stream: an end would be missing after a cancellation.
        else if (event.type === "recorded") stream.emit(event);
      },
      onResults: () => false,
    });
    return textReport(results);
  },
);
