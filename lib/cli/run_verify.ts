/** Runs `verify`, prints what it finds, and tells by the exit code. */
import { worstOutcome } from "../verify/result.ts";
import { jsonReport, textReport } from "../verify/report.ts";
import type { VerifySettings } from "../verify/settings.ts";
import { verify } from "../verify/verify.ts";
import type { CommandContext } from "./commands.ts";
import { logObserver } from "./log_observer.ts";
import { verifyProgress } from "./progress.ts";

/** Collections and tables differ, or could not be told equal. */
const DIFFERENT = 3;

export async function runVerify(settings: VerifySettings, context: CommandContext): Promise<number> {
  const { signal, log, print } = context;
  const { outage, recovered } = logObserver(log);
  const report = settings.output === "json" ? jsonReport : textReport;
  using progress = verifyProgress(context);
  const results = await verify(settings, {
    signal,
    log,
    observer: {
      outage,
      recovered,
      progress: (each) => progress.progress(each),
      done: () => progress.done(),
    },
    onResults: (results) => print(report(results)),
  });
  return ["equal", "repaired"].includes(worstOutcome(results)) ? 0 : DIFFERENT;
}
