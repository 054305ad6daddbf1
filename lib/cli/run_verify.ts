/** Runs `verify`, and prints its results. */

import { jsonReport, textReport, worstOutcome } from "../verify/result.ts";
import { verify } from "../verify/verify.ts";
import { type VerifySettings } from "../verify/collection.ts";
import { logListener } from "../monitor/log_listener.ts";
import { verifyProgress } from "./progress.ts";
import { type RunRelayContext, warnOfUrlDatabase } from "./run_relay.ts";

/** Collections and tables differ, or could not be compared. */
const DIFFERENT = 3;

export async function runVerify(settings: VerifySettings, context: RunRelayContext): Promise<number> {
  const { signal, log, print } = context;
  warnOfUrlDatabase(context.given, log);
  const report = settings.output === "json" ? jsonReport : textReport;
  using progress = verifyProgress(context);
  const outages = logListener(log);
  const results = await verify(settings, {
    signal,
    log,
    emit: (event) => {
      progress.listen(event);
      if (event.type !== "progress" && event.type !== "done") outages(event);
    },
    onResults: (results) => print(report(results)),
  });
  return ["equal", "repaired"].includes(worstOutcome(results)) ? 0 : DIFFERENT;
}
