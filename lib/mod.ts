/**
 * Keeps CrateDB in sync with MongoDB from within another program, as `cdc-relay` does.
 *
 * @example
 * ```ts
 * import { startRelay } from "@mongodb-cdc/cratedb";
 *
 * const stop = new AbortController();
 * await startRelay(
 *   { mongodbUrl: "mongodb://localhost:27017", cratedbUrl: "crate://localhost:4200", database: "shop" },
 *   { signal: stop.signal, observer: { batchApplied: ({ events }) => console.log(`${events} events`) } },
 * );
 * ```
 *
 * @module
 */
import { relayConfig } from "./cli/config.ts";
import { relayFlags } from "./cli/options/relay_flags.ts";
import { observers, type RelayObserver } from "./pipeline/observer.ts";
import { relay } from "./pipeline/relay.ts";
import type { Trace } from "./pipeline/stages.ts";
import { type Logger, QUIET } from "./util/log.ts";

export type { Counts, RelayObserver } from "./pipeline/observer.ts";
export { UsageError, UserError } from "./util/errors.ts";
export { createLogger, type Logger } from "./util/log.ts";

/** A number of bytes, or a text with its unit. @example "256MiB" */
export type Bytes = number | string;
/** A number of milliseconds, or a text with its unit. @example "10s" */
export type Duration = number | string;
type Json = Readonly<Record<string, unknown>>;

/** The options of `cdc-relay`, with their flags in camel case. `docs/options.md` tells what each is for, and its default. */
export interface RelayOptions {
  readonly mongodbUrl?: string;
  readonly cratedbUrl?: string;
  readonly cratedbJwt?: string;
  /** Read anew for each request, because tokens expire. */
  readonly cratedbJwtFile?: string;
  readonly cratedbCa?: string;
  readonly cratedbCert?: string;
  readonly cratedbKey?: string;
  readonly database?: string | readonly string[];
  readonly collection?: string | readonly string[];
  readonly exclude?: string | readonly string[];
  readonly table?: string;
  readonly partition?: string;
  readonly key?: "_id" | "documentKey";
  readonly filter?: Json;
  readonly only?: string | readonly string[];
  readonly omit?: string | readonly string[];
  readonly pipeline?: readonly Json[];
  readonly columns?: "typed" | "dynamic" | "ignored";
  readonly shards?: number;
  readonly widen?: "on" | "off";
  readonly widenRows?: number;
  readonly onDrop?: "keep" | "truncate" | "drop";
  readonly snapshot?: "initial" | "never" | "always" | "only";
  readonly snapshotLanes?: number;
  readonly snapshotRate?: number;
  readonly onHistoryLost?: "recopy" | "fail";
  readonly fullDocument?: "lookup" | "updateLookup" | "whenAvailable" | "required";
  readonly batchSize?: number;
  readonly maxMemory?: Bytes;
  readonly batchBytes?: Bytes;
  readonly statementRows?: number;
  readonly statementBytes?: Bytes;
  readonly inFlight?: number;
  readonly refreshInterval?: Duration;
  readonly saveInterval?: Duration;
  readonly maxDeadLetters?: number;
  readonly lease?: Duration;
  readonly onHeld?: "fail" | "wait";
  readonly retryFor?: Duration;
}

export interface RelaySurroundings {
  /** Ends the relay in order when it is aborted. */
  readonly signal: AbortSignal;
  /** Is told what the relay does. @default {nobody} */
  readonly observer?: Partial<RelayObserver>;
  /** @default {nothing is logged} */
  readonly log?: Logger;
  /** Wraps a batch in a span. @default {untraced} */
  readonly trace?: Trace;
}

/**
 * Takes a snapshot of what is there, then follows the changes until the signal is aborted. Nothing is read from the
 * environment.
 *
 * @example
 * IN: {database: "shop", collection: ["orders", "users"], filter: {status: "open"}, maxMemory: "128MiB", …}, {signal}
 * OUT: the tables shop.orders and shop.users, kept up to date
 *
 * @throws UsageError for options that are wrong; UserError and errors of the drivers for what went wrong later
 */
export async function startRelay(options: RelayOptions, surroundings: RelaySurroundings): Promise<void> {
  const { signal, observer = {}, log = QUIET, trace } = surroundings;
  const settings = relayConfig({ flags: relayFlags(options), env: {} });
  await relay(settings, { signal, log, observer: observers(observer), ...trace && { trace } });
}
