/** Runs `verify`, and prints its results. */
import { find } from "../config/read.ts";
import { FILE } from "../config/relay_options.ts";
import { UsageError } from "../util/errors.ts";
import { type CollectionResult, jsonReport, textReport, worstOutcome } from "../verify/result.ts";
import { verify } from "../verify/verify.ts";
import { type VerifySettings } from "../verify/collection.ts";
import { logListener } from "../monitor/log_listener.ts";
import { verifyProgress } from "./progress.ts";
import { type RunRelayContext, warnOfUrlDatabase } from "./run_relay.ts";

/** Collections and tables differ, or could not be compared. */
const DIFFERENT = 3;

/** Verifies the streams of a file one after the other. */
export async function runVerify(
  all: readonly [VerifySettings, ...VerifySettings[]],
  context: RunRelayContext,
): Promise<number> {
  const { signal, log, print, given } = context;
  if (!find("config", FILE.config, given)) warnOfUrlDatabase(given, log);
  const [first, ...others] = all;
  if (first.runs === "forever" && others.length > 0) {
    const hint = "Name one with --stream, or run verify again and again.";
    throw new UsageError("--watch verifies one stream, and the file has several", { hint });
  }
  const report = first.output === "json" ? jsonReport : textReport;
  using progress = verifyProgress(context);
  const outages = logListener(log);
  const results: CollectionResult[] = [];
  for (const settings of all) {
    results.push(
      ...await verify(settings, {
        signal,
        log,
        emit: (event) => {
          progress.listen(event);
          if (event.type !== "progress" && event.type !== "done") outages(event);
        },
        onResults: (results) => others.length > 0 || print(report(results)),
      }),
    );
  }
  if (others.length > 0) print(report(results));
  return ["equal", "repaired"].includes(worstOutcome(results)) ? 0 : DIFFERENT;
}
