/** `status`, `wait` and `verify`, as functions. */
import { statusConfig, verifyConfig, waitConfig } from "../config/config.ts";
import { logListener } from "../cli/log_listener.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { findStreams } from "../status/status.ts";
import type { StreamStatus } from "../status/stream_status.ts";
import { wait as waitFor, type Waited } from "../status/wait.ts";
import { SYSTEM_CLOCK } from "../util/clock.ts";
import { type Logger, QUIET, unfailing } from "../util/log.ts";
import type { CollectionResult } from "../verify/result.ts";
import { verify as compare } from "../verify/verify.ts";
import { rewording } from "./describe.ts";
import { flagsOf, LIBRARY_OPTIONS } from "./flags.ts";
import type { StatusOptions, VerifyOptions, WaitOptions } from "./options.ts";

export interface CommandSurroundings {
  /** Ends the work when it is aborted. @default {none} */
  readonly signal?: AbortSignal;
  /** @default {nothing is logged} */
  readonly log?: Logger;
}

/** A signal that is never aborted, for one call: what listens to a shared one would pile up. */
const never = (): AbortSignal => new AbortController().signal;

/**
 * How streams are, from CrateDB alone: one row for each, as the view `cdc_status` has it.
 *
 * @example
 * IN: {cratedbUrl: "crate://localhost:4200"} → OUT: [{stream: "shop.* -> …", state: "ok", lag_ms: 0, …}]
 *
 * @throws UsageError, SinkError
 */
export async function status(options: StatusOptions): Promise<readonly StreamStatus[]> {
  const flags = flagsOf(options, LIBRARY_OPTIONS.status);
  const settings = rewording(() => statusConfig({ flags, env: {} }));
  await using transport = await openTransport(settings.sink);
  return (await findStreams(transport, settings)).streams;
}

/**
 * Waits until CrateDB shows everything that was written to MongoDB until a time.
 *
 * @example
 * IN: {mongodbUrl, cratedbUrl, at: "now", timeout: "30s"}
 * OUT: {at: Timestamp, streams: [{stream: "shop.* -> …", outcome: "shown"}], absence: []}
 *
 * @returns the outcome of each stream when all show it, or when the time is over
 * @throws UsageError, MongoError, SinkError; the signal's reason when it is aborted
 */
export async function wait(
  options: WaitOptions,
  { signal = never(), log = QUIET }: CommandSurroundings = {},
): Promise<Waited> {
  const flags = flagsOf(options, LIBRARY_OPTIONS.wait);
  const settings = rewording(() => waitConfig({ flags, env: {} }));
  return await waitFor(settings, { signal, log: unfailing(log), clock: SYSTEM_CLOCK });
}

/**
 * Compares collections with their tables, also while a relay runs, and repairs differences on request.
 *
 * @example
 * IN: {mongodbUrl, cratedbUrl, database: "shop", differences: "repair"}
 * OUT: [{collection: "shop.orders", outcome: "repaired", repaired: 3, differences: [], …}]
 *
 * @throws UsageError, UserError, MongoError, SinkError; the signal's reason when it is aborted
 */
export async function verify(
  options: VerifyOptions,
  { signal = never(), log = QUIET }: CommandSurroundings = {},
): Promise<readonly CollectionResult[]> {
  const flags = flagsOf(options, LIBRARY_OPTIONS.verify);
  const settings = rewording(() => verifyConfig({ flags, env: {} }));
  const safeLog = unfailing(log);
  const outages = logListener(safeLog);
  return await compare(settings, {
    signal,
    log: safeLog,
    emit: (event) => {
      if (event.type !== "progress" && event.type !== "done") outages(event);
    },
    onResults: () => false,
  });
}
