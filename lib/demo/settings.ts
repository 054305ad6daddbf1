/** What the demo is told, checked and frozen. */
import type { Given } from "../cli/config.ts";
import type { LoggerOptions } from "../util/log.ts";
import { type Environment, type Option, OPTIONS, valueOf } from "../cli/options.ts";

/** A server that runs already, and what names it; both empty where one is to be started. */
export interface NamedServer {
  readonly url: string;
  /** @example MONGODB_URL */
  readonly source: string;
}

export interface DemoSettings {
  readonly mongodb: NamedServer;
  readonly sink: NamedServer;
  /** Operations of the load. */
  readonly count: number;
  readonly servers: "stop" | "keep";
  readonly log: LoggerOptions;
  readonly env: Environment;
}

/** @throws UsageError */
export function demoConfig(given: Given): DemoSettings {
  const [mongodb, sink, count, servers, format, level] = OPTIONS.demo;
  return Object.freeze({
    mongodb: named(mongodb, given),
    sink: named(sink, given),
    count: valueOf(count, given),
    servers: valueOf(servers, given),
    log: { format: valueOf(format, given), level: valueOf(level, given) },
    env: given.env,
  } as DemoSettings);
}

function named(option: Option, given: Given): NamedServer {
  const url = String(valueOf(option, given));
  const source = given.flags[option.flag] === undefined
    ? option.env.find((name) => given.env[name]) ?? ""
    : `--${option.flag}`;
  return { url, source };
}
