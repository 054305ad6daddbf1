/** Runs `status` and `wait`, and tells by the exit code what they found. */
import { status, type StatusContext, type StatusSettings } from "../status/status.ts";
import { wait, type Waited, type WaitSettings } from "../status/wait.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { durationText } from "../util/duration_text.ts";
import { terminalColumns } from "../util/standard_streams.ts";

type RunContext = Pick<StatusContext, "signal" | "print">;

/** `status` found a problem, or `wait` timed out. */
const NOT_WELL = 4;

/** @returns the exit code */
export async function runStatus(
  settings: StatusSettings,
  { signal, print }: RunContext,
): Promise<number> {
  return await status(settings, { signal, print, columns: terminalColumns(), clock: SYSTEM_CLOCK })
    ? 0
    : NOT_WELL;
}

/** @returns the exit code */
export async function runWait(
  settings: WaitSettings,
  { signal, print }: RunContext,
): Promise<number> {
  const startedAt = SYSTEM_CLOCK.monotonic();
  const waited = await wait(settings, { signal, clock: SYSTEM_CLOCK });
  const took = durationText(SYSTEM_CLOCK.monotonic() - startedAt);
  for (const line of waitedText(waited, took)) print(line);
  return waited.shown.length > 0 ? 0 : NOT_WELL;
}

/**
 * @example
 * IN: {at: Timestamp(1700000000, 3), shown: ["shop.* -> …"], behind: []}, "120 ms"
 * OUT: ["shop.* -> … shows everything up to 1700000000:3, after 120 ms"]
 */
export function waitedText({ at, shown, behind }: Waited, took: string): string[] {
  const time = `${at.t}:${at.i}`;
  if (shown.length > 0) {
    return shown.map((stream) => `${stream} shows everything up to ${time}, after ${took}`);
  }
  if (behind.length === 0) return [`There is no such stream, after ${took}`];
  return behind.map((stream) => `${stream} does not show everything up to ${time}, after ${took}`);
}
