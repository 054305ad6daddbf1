/** `rebuild` of the control table: the relay rebuilds a table between two terms of its loop, with its own lease. */
import { assertFollows, RefusedError } from "../pipeline/control/verb.ts";
import { verbOf } from "../pipeline/control/verb_arguments.ts";
import { UsageError } from "../util/errors.ts";
import { rebuildTable, rebuiltText } from "./rebuild.ts";

export const rebuildVerb = verbOf("rebuild", "long", ({ collection }) => async ({ stream, signal }) => {
  const { settings: { worker }, log, clock } = stream;
  assertFollows(stream, collection);
  if (worker) {
    throw new RefusedError("The other workers write to the table, too.", {
      hint: "Stop all of them, and run the command rebuild.",
    });
  }
  try {
    // The changes of the time of the rebuild are applied afterwards.
    const rebuilt = await stream.apart(({ raw, patient, settings: relay, signal: ending }) =>
      rebuildTable({ raw, patient }, { relay, collection }, {
        signal: AbortSignal.any([signal, ending]),
        log,
        clock,
      })
    );
    return rebuiltText(rebuilt);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new RefusedError(error.message, { hint: error.hint });
  }
});
