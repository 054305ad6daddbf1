/** Runs `verify`, prints what it finds, and tells by the exit code. */
import { worstOutcome } from "../verify/result.ts";
import { jsonReport, textReport } from "../verify/report.ts";
import { verify, type VerifySettings } from "../verify/verify.ts";
import { logListener } from "./log_listener.ts";
import { type ProgressOptions, verifyProgress } from "./progress.ts";

export interface RunVerifyContext extends ProgressOptions {
  readonly signal: AbortSignal;
  /** Writes to standard output. @returns false if the output is closed */
  readonly print: (text: string) => boolean;
}

/** Collections and tables differ, or could not be told equal. */
const DIFFERENT = 3;

/** @returns the exit code */
export async function runVerify(settings: VerifySettings, context: RunVerifyContext): Promise<number> {
  const { signal, log, print } = context;
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
