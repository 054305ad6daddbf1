/** `rebuild` of the control table: the relay rebuilds a table between two terms of its loop, with its own lease. */
import { RefusedError, type Verb } from "../pipeline/control/verb.ts";
import { collectionName, readArguments } from "../pipeline/control/verb_arguments.ts";
import { UsageError } from "../util/errors.ts";
import { namespaceText } from "../util/namespace.ts";
import { rebuildTable, rebuiltText } from "./rebuild.ts";

export const rebuildVerb: Verb = {
  kind: "long",
  read(given) {
    const { collection } = readArguments(given, { collection: collectionName });
    return async ({ stream, signal }) => {
      const { settings: { scope, worker }, log, clock } = stream;
      if (!scope.includes(collection)) {
        throw new RefusedError(`The stream does not follow ${namespaceText(collection)}: ${scope}`);
      }
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
    };
  },
};
