/** `verify` of the control table: the relay compares a collection with its table, beside the stream. */
import { RefusedError, type Verb } from "../pipeline/control/verb.ts";
import { collectionName, flag, readArguments } from "../pipeline/control/verb_arguments.ts";
import { Scope } from "../source/documents/scope.ts";
import { namespaceText } from "../util/namespace.ts";
import type { VerifySettings } from "./collection.ts";
import { textReport } from "./result.ts";
import { verify } from "./verify.ts";

/** The defaults of the command. */
const SETTLE_MS = 30_000;
const GENERATIONS = 10;

export const verifyVerb: Verb = {
  kind: "long",
  read(given) {
    const { collection, repair } = readArguments(given, { collection: collectionName, repair: flag });
    const { database, collection: name } = collection;
    return async ({ stream, progress, signal }) => {
      const { settings: relay, verifyRate: rate, log } = stream;
      if (!relay.scope.includes(collection)) {
        throw new RefusedError(`The stream does not follow ${namespaceText(collection)}: ${relay.scope}`);
      }
      // Each worker gets the request. One of them verifies the rows of all.
      if (relay.worker && relay.worker.index > 0) return "";
      if (stream.paused) throw new RefusedError("The stream is paused.", { hint: "Resume it first." });
      const scope = new Scope({ databases: [database], collections: [name], exclude: [] });
      const settings: VerifySettings = {
        relay: { ...relay, scope, worker: undefined },
        wholeIn: relay.namesIn,
        compare: "documents",
        sample: 0,
        differences: repair ? "repair" : "report",
        runs: "once",
        rate,
        settle: SETTLE_MS,
        generations: GENERATIONS,
        output: "text",
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
    };
  },
};
