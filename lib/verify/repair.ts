/** Repairs rows by requests to the relay. If none runs, `verify` starts one in this process. */
import type { BSON } from "mongodb";
import { bytesToHex } from "../bson/bson.ts";
import type { RowKey } from "../key/document_key.ts";
import { idDocument } from "../key/query_literal.ts";
import { besideSkipped, hasWritten } from "../pipeline/snapshot/snapshot_state.ts";
import type { ControlRequest, ControlRequests } from "../sink/metadata/control_requests.ts";
import { LeaseHeldError } from "../sink/metadata/lease.ts";
import type { SavedPosition } from "../sink/metadata/saved_position.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf, UserError } from "../util/errors.ts";
import { grouped } from "../util/grouped.ts";
import type { Logger } from "../util/log.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import type { Passing } from "./result.ts";

const POLL_INTERVAL_MS = 100;
/** A lease lapses for a moment if its renewal is late. If it lapses for longer, its relay has ended. */
const LAPSE_MS = 5_000;

interface RelayWatchOptions {
  /** Reads the position of each worker, or of the one relay; undefined for one that never ran. */
  readonly read: () => Promise<readonly (SavedPosition | undefined)[]>;
  /** Milliseconds without progress after which the relay is no longer waited for. */
  readonly settle: number;
  /** The stream of the relay in which `verify` runs, if any: it has not ended, even if its lease lapses. */
  readonly runsIn?: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Follows the progress of the relay of a stream by its saved positions. */
export type RelayWatch = ReturnType<typeof relayWatch>;

export function relayWatch({ read, settle, runsIn, clock, signal }: RelayWatchOptions) {
  let heldAt = -Infinity;

  const areHeld = (positions: readonly (SavedPosition | undefined)[]): boolean => {
    const now = clock.monotonic();
    if (positions.every((each) => each && (each.isHeld || each.stream === runsIn))) heldAt = now;
    return now - heldAt < LAPSE_MS;
  };

  /** Whether the relay runs; of several workers, whether all run. */
  const isRunning = async (): Promise<boolean> => areHeld(await read());

  /**
   * Waits until all changes up to a time are in the tables and no snapshot is running. Does not wait for collections
   * whose tables cannot be used, nor for a pause.
   */
  async function passes(time: BSON.Timestamp | undefined): Promise<Passing> {
    let last: string | undefined;
    let movedAt = clock.monotonic();
    while (true) {
      const positions = await read();
      if (!time || !areHeld(positions)) return "not running";
      const behind = positions.filter((each) => each && !hasWritten(besideSkipped(each), time));
      if (behind.length === 0) return "passed";
      if (behind.some((each) => each?.isPaused)) return "paused";
      const state = behind.map((each) => `${each?.token} ${each?.snapshot}`).join("\n");
      if (state !== last) movedAt = clock.monotonic();
      last = state;
      if (clock.monotonic() - movedAt >= settle) return "stalled";
      await clock.wait(POLL_INTERVAL_MS, { signal });
    }
  }

  return { isRunning, passes };
}

export interface RepairDeps extends Omit<RelayWatchOptions, "read" | "runsIn"> {
  readonly namespace: Namespace;
  readonly relay: Pick<RelayWatch, "isRunning">;
  /** The requests to each worker, or to the one relay. Each worker repairs its own rows. */
  readonly requests: readonly Pick<ControlRequests, "add" | "find" | "save">[];
  /** Starts a relay for the stream. @throws LeaseHeldError if another relay follows the stream */
  readonly startRelay: () => Promise<void>;
  /** The error that ended the relay that `startRelay` has started, if any. */
  readonly failure: () => unknown;
}

const MAX_REQUESTS = 1_000;
/** A relay that starts opens its tables and its stream first. */
const LEAST_SETTLE_MS = 30_000;

/** Repairs the rows of these keys. @throws UserError if no relay can be started, or the running one repairs nothing */
export async function repair(keys: readonly RowKey[], deps: RepairDeps): Promise<void> {
  for (const some of grouped(keys, { count: MAX_REQUESTS })) await repairSome(some, deps);
}

async function repairSome(keys: readonly RowKey[], deps: RepairDeps): Promise<void> {
  const { relay, startRelay, failure, settle } = deps;
  if (await relay.isRunning() && await requestRepair(keys, deps)) return;
  let cause: unknown;
  if (!await relay.isRunning()) {
    try {
      await startRelay();
    } catch (error) {
      if (!(error instanceof LeaseHeldError)) throw error;
      cause = error; // Another relay has started.
    }
    if (await requestRepair(keys, { ...deps, settle: Math.max(settle, LEAST_SETTLE_MS) })) return;
  }
  if (failure() !== undefined) throw failure();
  throw new UserError("The relay that holds the stream takes no repairs.", {
    hint:
      "It may be waiting for a database: see its log. Start it again, or stop it: verify then starts one.",
    cause,
  });
}

/**
 * Adds a request to each worker, and waits until all are done. Cancels them if the relay ends or makes no progress.
 *
 * @throws UserError if the relay cannot repair the rows
 */
async function requestRepair(
  keys: readonly RowKey[],
  { namespace, relay, requests, settle, clock, signal }: RepairDeps,
): Promise<boolean> {
  const wanted = keys.map(({ oid, id }) => ({ oid, ...id && { id: bytesToHex(idDocument(id)) } }));
  const given = { collection: namespaceText(namespace), keys: wanted };
  let open = await Promise.all(
    requests.map(async (to) => ({
      to,
      request: await to.add({ verb: "repair", arguments: given, askedBy: "verify" }),
    })),
  );
  let changedAt = clock.monotonic();
  try {
    while (open.length > 0 && clock.monotonic() - changedAt < settle && await relay.isRunning()) {
      await clock.wait(POLL_INTERVAL_MS, { signal });
      const before = open.length;
      const found = await Promise.all(open.map(async ({ to, request: { id } }) => await to.find(id)));
      open = open.filter((_, at) => isOpen(found[at]));
      const failed = found.find((each) => !isOpen(each) && each?.state !== "done");
      if (failed) {
        throw new UserError(`The relay has not repaired the rows: ${failed.message}`, {
          hint: "Remove the cause, and run verify again. cdc_control has the request.",
        });
      }
      if (open.length < before) changedAt = clock.monotonic();
    }
  } finally {
    await Promise.all(open.map(({ to, request: { id } }) => to.save(id, { state: "cancelled", ends: true })));
  }
  return open.length === 0;
}

const isOpen = (request: ControlRequest | undefined): boolean =>
  !request || request.state === "asked" || request.state === "running";

export type OwnRelay = ReturnType<typeof ownRelay>;

/**
 * A relay in this process, from the first repair until it is disposed of. `run` runs it until the signal is aborted, and
 * calls `onStarted` when it holds the lease.
 */
export function ownRelay(run: (signal: AbortSignal, onStarted: () => void) => Promise<void>, log: Logger) {
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  let started: Promise<void> | undefined;
  let failure: unknown;
  return {
    /** Starts the relay unless it runs. Resolves when it holds the lease; rejects with the error that ended it. */
    async start(): Promise<void> {
      if (!running) {
        const held = Promise.withResolvers<void>();
        running = run(stop.signal, held.resolve).finally(() => running = undefined);
        started = Promise.race([held.promise, running]);
        running.catch((error) => failure = error);
      }
      await started;
    },
    failure: (): unknown => failure,
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await running?.catch((error) => {
        if (error === stop.signal.reason) return;
        log.warn("The relay that was started for repairs has failed", { because: messageOf(error) });
      });
    },
  };
}
