/** The settings of each command from its options, checked and frozen. Only this folder reads the environment. */
import type { ForgetSettings } from "../status/forget.ts";
import type { StatusSettings } from "../status/status.ts";
import type { WaitSettings } from "../status/wait.ts";
import { UsageError } from "../util/errors.ts";
import type { LoggerOptions } from "../util/log.ts";
import type { VerifySettings } from "../verify/collection.ts";
import type { WorkloadSettings } from "../workload/workload.ts";
import { LOGGING, OPTIONS, STREAM_NAME } from "./options.ts";
import { find, type Given, readOptions } from "./read.ts";
import { relayConfig, wholeRelayConfig } from "./relay_settings.ts";
import { sinkAddress } from "./sink_address.ts";

export function statusConfig(given: Given): StatusSettings {
  const { maxLag, output, runs } = readOptions(OPTIONS.status, given);
  return Object.freeze({ maxLag, output, runs, sink: sinkAddress(given), streamIn: streamOf(given) });
}

export function waitConfig(given: Given): WaitSettings {
  const { mongodbUrl, at, timeout, output } = readOptions(OPTIONS.wait, given);
  return Object.freeze({
    mongodbUrl,
    at,
    timeout,
    output,
    sink: sinkAddress(given),
    streamIn: streamOf(given),
  });
}

export function forgetConfig(given: Given): ForgetSettings & { readonly confirm: "ask" | "never" } {
  const { stream, confirm } = readOptions(OPTIONS.forget, given);
  return Object.freeze({ stream, confirm, sink: sinkAddress(given) });
}

/** The stream that a relay with these options follows; undefined if no option names one. */
function streamOf(given: Given): ((schema: string) => string) | undefined {
  if (!Object.entries(STREAM_NAME).some(([name, option]) => find(name, option, given))) return undefined;
  const { namesIn } = relayConfig(given);
  return (schema) => namesIn(schema).stream;
}

export function verifyConfig(given: Given): VerifySettings {
  const options = readOptions(OPTIONS.verify, given);
  const { compare, sample, differences, runs, rate, settle, generations, output } = options;
  if (compare === "counts" && differences === "repair") {
    throw new UsageError("--compare counts cannot be given with --differences repair", {
      hint: "Counts do not show which rows differ. Remove --count-only to repair them.",
    });
  }
  const relay = wholeRelayConfig(given);
  return Object.freeze({ relay, compare, sample, differences, runs, rate, settle, generations, output });
}

export const workloadConfig = (given: Given): WorkloadSettings =>
  Object.freeze(readOptions(OPTIONS["db-workload"], given));

export function logOptions(given: Given): LoggerOptions {
  const { logFormat, logLevel } = readOptions(LOGGING, given);
  return { format: logFormat, level: logLevel };
}
