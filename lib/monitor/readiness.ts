/** Whether a stream is ready: its tables follow their collections closely. */
import type { RelayStatus } from "../pipeline/status/relay_status.ts";

/**
 * The reason is one line; `maxLag`, in milliseconds, limits the lag while a stream is catching up.
 *
 * @example
 * IN: {phase: "following", lag: 40, …}, 60000 → OUT: {isReady: true, why: "following, 0.04 s behind"}
 * IN: {phase: "waiting for CrateDB", …}, 60000 → OUT: {isReady: false, why: "waiting for CrateDB: connection refused"}
 */
export function readiness(
  status: RelayStatus,
  maxLag: number,
): { readonly isReady: boolean; readonly why: string } {
  const { phase, lag, lastError, snapshotDone, snapshotTotal } = status;
  if (phase !== "following" && phase !== "catching up") {
    const progress = phase === "snapshot" && snapshotDone !== null
      ? `${snapshotDone} of ${snapshotTotal} documents`
      : lastError;
    const why = progress === null ? phase : `${phase}: ${progress}`;
    return { isReady: false, why: why.replaceAll(/\s+/g, " ") };
  }
  if (lag === null) return { isReady: false, why: `${phase}, the lag is unknown yet` };
  const behind = `${phase}, ${lag / 1_000} s behind`;
  return lag <= maxLag
    ? { isReady: true, why: behind }
    : { isReady: false, why: `${behind}, more than --max-lag ${maxLag / 1_000} s` };
}
