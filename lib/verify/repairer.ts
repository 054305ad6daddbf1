/**
 * Has rows repaired by the one process that may write to their table: the relay while one runs, asked by way of
 * `cdc_repair`; else this one, under the relay's lease.
 */
import type { Namespace } from "../util/namespace.ts";
import { LeaseHeldError } from "../sink/metadata/lease.ts";
import type { RowKey } from "../key/document_key.ts";
import type { RepairRequests } from "../sink/metadata/repair_requests.ts";
import type { Clock } from "../util/clock.ts";
import { UserError } from "../util/errors.ts";
import type { RelayWatches } from "./relay_watch.ts";

export interface RepairerDeps {
  readonly namespace: Namespace;
  readonly relay: Pick<RelayWatches, "isRunning">;
  readonly requests: Pick<RepairRequests, "add" | "left" | "remove">;
  /**
   * Repairs rows under the lease of the stream.
   *
   * @throws LeaseHeldError where a relay holds it
   */
  readonly repairHere: (keys: readonly RowKey[]) => Promise<void>;
  /** How long the relay may take to begin, in milliseconds. */
  readonly settle: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Requests to all relays that divide the documents among them: each repairs those that are its own. */
export class SharedRequests {
  readonly #requests: readonly RepairerDeps["requests"][];

  constructor(requests: readonly RepairerDeps["requests"][]) {
    this.#requests = requests;
  }

  async add(namespace: Namespace, keys: readonly RowKey[]): Promise<void> {
    await Promise.all(this.#requests.map((each) => each.add(namespace, keys)));
  }

  /** How many the relay has not taken that is behind most. */
  async left(namespace: Namespace, keys: readonly RowKey[]): Promise<number> {
    return Math.max(...await Promise.all(this.#requests.map((each) => each.left(namespace, keys))));
  }

  async remove(namespace: Namespace, keys: readonly RowKey[]): Promise<void> {
    await Promise.all(this.#requests.map((each) => each.remove(namespace, keys)));
  }
}

/** Requests that are made at once. */
const MAX_REQUESTS = 1_000;
const POLL_INTERVAL_MS = 100;

export class Repairer {
  readonly #deps: RepairerDeps;

  constructor(deps: RepairerDeps) {
    this.#deps = deps;
  }

  /** @throws UserError if a relay holds the stream and repairs nothing */
  async repair(keys: readonly RowKey[]): Promise<void> {
    for (let at = 0; at < keys.length;) at += await this.#repairSome(keys.slice(at));
  }

  /**
   * A relay is asked for some of the keys. Here all are written at once, as each time the lease is taken and the table is
   * opened.
   *
   * @returns how many of the keys are done, from the first on
   */
  async #repairSome(keys: readonly RowKey[]): Promise<number> {
    const { relay, repairHere } = this.#deps;
    const asked = keys.slice(0, MAX_REQUESTS);
    if (await relay.isRunning() && await this.#repairedByRelay(asked)) return asked.length;
    try {
      await repairHere(keys);
      return keys.length;
    } catch (error) {
      if (!(error instanceof LeaseHeldError)) throw error;
      // A relay may have started meanwhile.
      if (await this.#repairedByRelay(asked)) return asked.length;
      throw new UserError("The relay that holds the stream takes no repairs.", {
        hint:
          "It may be of an earlier version, or be waiting for a database: its log tells. Start it again with this " +
          "version, or stop it: verify then writes the rows itself.",
        cause: error,
      });
    }
  }

  /** Leaves requests and waits until they are taken; takes them back where the relay ends or does not take them. */
  async #repairedByRelay(keys: readonly RowKey[]): Promise<boolean> {
    const { namespace, relay, requests, settle, clock, signal } = this.#deps;
    await requests.add(namespace, keys);
    let left = keys.length;
    let changedAt = clock.monotonic();
    try {
      while (left > 0 && clock.monotonic() - changedAt < settle && await relay.isRunning()) {
        await clock.wait(POLL_INTERVAL_MS, { signal });
        const before = left;
        left = await requests.left(namespace, keys);
        if (left < before) changedAt = clock.monotonic();
      }
    } finally {
      if (left > 0) await requests.remove(namespace, keys);
    }
    return left === 0;
  }
}
