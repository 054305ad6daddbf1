/** Runs `status` and `wait`, and prints their results. */
import { status, type StatusContext, type StatusSettings } from "../status/status.ts";
import { wait, waitJson, waitOutcome, type WaitSettings, waitText } from "../status/wait.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";

type RunContext = Pick<StatusContext, "signal" | "log" | "columns" | "print">;

/** `status` found a problem, or `wait` timed out. */
const NOT_WELL = 4;

export async function runStatus(
  settings: readonly [StatusSettings, ...StatusSettings[]],
  context: RunContext,
): Promise<number> {
  const { signal, log, columns, print } = context;
  return await status(settings, { signal, log, columns, print, clock: SYSTEM_CLOCK }) ? 0 : NOT_WELL;
}

export async function runWait(settings: WaitSettings, { signal, log, print }: RunContext): Promise<number> {
  const startedAt = SYSTEM_CLOCK.monotonic();
  const waited = await wait(settings, { signal, log, clock: SYSTEM_CLOCK });
  const duration = Math.round(SYSTEM_CLOCK.monotonic() - startedAt);
  if (settings.output === "json") {
    if (waited.absence.length > 0) log.warn(waited.absence.join(" "));
    print(waitJson(waited, duration));
  } else print(waitText(waited, duration));
  return waitOutcome(waited.streams) === "shown" ? 0 : NOT_WELL;
}
