/** The settings of each command from its options, checked and frozen. Only this folder reads the environment. */
import type { ForgetSettings } from "../status/forget.ts";
import type { PlanSettings } from "../plan/plan.ts";
import { nodesOf } from "../sink/connection/url.ts";
import type { StatusSettings } from "../status/status.ts";
import type { WaitSettings } from "../status/wait.ts";
import { UsageError } from "../util/errors.ts";
import type { LoggerOptions } from "../util/log.ts";
import { type Namespace, namespaceOf } from "../util/namespace.ts";
import type { VerifySettings } from "../verify/collection.ts";
import type { WorkloadSettings } from "../workload/workload.ts";
import { argumentsOf, CTL_OPTIONS, CTL_REQUEST, type CtlVerb } from "./ctl_options.ts";
import { contentOf, effectiveOf } from "./effective.ts";
import type { OptionTable } from "./option.ts";
import { LOGGING, OPTIONS, STREAM_NAME } from "./options.ts";
import { find, type Given, readOptions, withoutFlags } from "./read.ts";
import { type Reword, rewordFor } from "./origins.ts";
import { FILE, SCOPE } from "./relay_options.ts";
import { relayConfig } from "./relay_settings.ts";
import { sinkAddress } from "./sink_address.ts";

/** @param alike what is given for all streams with the same CrateDB: texts about it name the origins of all its URLs */
export const statusConfig = (
  given: Given,
  alike: readonly Given[] = [given],
): StatusSettings & { readonly reword: Reword } =>
  Object.freeze({
    ...readOptions(OPTIONS.status, given),
    ...streamsOf(given),
    reword: rewordFor(...alike),
  });

type StatusConfig = ReturnType<typeof statusConfig>;

export function statusConfigs(
  ...all: readonly [Given, ...Given[]]
): readonly [StatusConfig, ...StatusConfig[]] {
  const cratedbOf = (given: Given) => JSON.stringify(sinkAddress(given));
  const groups = Map.groupBy(all, cratedbOf);
  const configOf = (given: Given) => statusConfig(given, groups.get(cratedbOf(given)));
  const [first, ...others] = all;
  return [configOf(first), ...others.map(configOf)];
}

export const waitConfig = (given: Given): WaitSettings =>
  Object.freeze({ ...readOptions(OPTIONS.wait, given), ...streamsOf(given) });

export const forgetConfig = (given: Given): ForgetSettings & { readonly confirm: "ask" | "never" } =>
  Object.freeze({ ...readOptions(OPTIONS.forget, given), sink: sinkAddress(given) });

/** The request of a `ctl` command. `of` is what is given for the stream of `--config` that it names. */
export function ctlConfig(verb: CtlVerb, given: Given, of?: Given) {
  const table: OptionTable = CTL_OPTIONS[`ctl ${verb}`];
  const { namesIn } = of ? relayConfig(of, { worker: undefined }) : {};
  return Object.freeze({
    ...readOptions(CTL_REQUEST, given),
    verb,
    arguments: argumentsOf(verb, readOptions(table, given)),
    sink: sinkAddress(of ?? given),
    namesIn: namesIn && ((schema: string) => {
      const { stream, metadataSchema } = namesIn(schema);
      return { schema: metadataSchema, stream };
    }),
  });
}

/** CrateDB, and the stream of a relay with these options; undefined, for all, if no option names one. */
function streamsOf(given: Given): Pick<StatusSettings, "sink" | "streamIn"> {
  const isOfFile = given.places !== undefined;
  const isNamed = isOfFile || Object.entries(STREAM_NAME).some(([name, option]) => find(name, option, given));
  const { namesIn } = isNamed ? relayConfig(given) : {};
  return { sink: sinkAddress(given), streamIn: namesIn && ((schema) => namesIn(schema).stream) };
}

/** The file of `--config`; undefined without one. */
export function configOf(given: Given): string | undefined {
  const config = find("config", FILE.config, given);
  return config && String(config.value);
}

/** {@linkcode configOf}. @throws UsageError for a stream of no file */
export function fileOf(given: Given): string | undefined {
  const config = configOf(given);
  if (config !== undefined) return config;
  const stream = find("stream", FILE.stream, given);
  if (!stream) return undefined;
  throw new UsageError(`${stream.source} needs a file`, { hint: "Name it with --config relay.yaml." });
}

export function verifyConfig(given: Given): VerifySettings {
  const options = readOptions(OPTIONS.verify, given);
  if (options.compare === "counts" && options.differences === "repair") {
    throw new UsageError("--compare counts cannot be given with --differences repair", {
      hint: "Counts do not show which rows differ. Remove --count-only to repair them.",
    });
  }
  const whole = withoutFlags(given, Object.keys(SCOPE));
  return Object.freeze({
    ...options,
    relay: relayConfig(given, { worker: undefined }),
    wholeIn: given.places && ((schema: string) => relayConfig(whole, { worker: undefined }).namesIn(schema)),
  });
}

export const planConfig = (
  given: Given,
): PlanSettings & { readonly output: "text" | "json" | "sql"; readonly reword: Reword } =>
  Object.freeze({
    ...readOptions(OPTIONS.plan, given),
    relay: relayConfig(given),
    reword: rewordFor(given),
  });

/** `others` are the nodes of CrateDB, if there are several, and the way to it that is configured beside the one in use. */
export function checkConfig(given: Given) {
  const { CRATEDB_URL: used, CRATEDB_SQLALCHEMY_URL: other } = given.env ?? {};
  const relay = relayConfig(given);
  const nodes = nodesOf(relay.sink);
  const isOther = used && other && given.flags?.["cratedb-url"] === undefined;
  const unused = isOther ? [sinkAddress({ ...given, env: { ...given.env, CRATEDB_URL: other } })] : [];
  const others = [...nodes.length > 1 ? nodes : [], ...unused];
  const content = contentOf(effectiveOf(given));
  return { ...readOptions(OPTIONS.check, given), relay, others, content, reword: rewordFor(given) };
}

/** The collection that `rebuild` names. @throws UsageError */
export function rebuildTarget(given: Given): Namespace {
  const { target = "" } = readOptions(OPTIONS.rebuild, given);
  const namespace = namespaceOf(target);
  if (namespace) return namespace;
  throw new UsageError(`rebuild needs the name of a collection: ${target || "none is given"}`, {
    hint: "For example: rebuild shop.orders, with the options of its relay.",
  });
}

export const workloadConfig = (given: Given): WorkloadSettings =>
  Object.freeze(readOptions(OPTIONS["db-workload"], given));

export function logOptions(given: Given): LoggerOptions {
  const { logFormat, logLevel } = readOptions(LOGGING, given);
  return { format: logFormat, level: logLevel };
}
