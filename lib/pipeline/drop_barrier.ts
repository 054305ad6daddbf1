/**
 * Where the relays that divide a stream wait for each other: at an event that takes a collection away, before
 * partition 0 removes its rows. The others have written all that came before it, and write nothing that comes after
 * it. So no row of the dropped collection comes late, and none of a new one of that name is removed.
 *
 * | Partition | Before the event                            | Goes on                                     |
 * | --------- | ------------------------------------------- | ------------------------------------------- |
 * | 0         | waits until all others have come to it      | removes the rows, and saves its position    |
 * | others    | save their position before it, and the event | once partition 0 has saved one at the event |
 *
 * A relay that dies goes on right before the event, and waits again.
 */
import { bytesToHex } from "../bson/bson.ts";
import { siblingsOf } from "../key/partition.ts";
import type { SavedPosition } from "../sink/metadata/saved_position.ts";
import type { StreamPosition } from "../sink/metadata/stream_position.ts";
import type { ChangeBatch } from "../source/change_stream.ts";
import type { CollectionEvent } from "../source/event.ts";
import { hasComeTo, savedToken } from "../source/resume_token.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { RelaySettings } from "./settings.ts";
import type { TableRegistry } from "./table_registry.ts";

export interface DropBarrierDeps {
  readonly position: Pick<StreamPosition, "stream" | "save">;
  readonly tables: Pick<TableRegistry, "refresh">;
  /** What a stream has saved; undefined where it was never followed. */
  readonly read: (stream: string) => Promise<Pick<SavedPosition, "token" | "barrier"> | undefined>;
  readonly settings: Pick<RelaySettings, "partition" | "onDrop" | "scope">;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
}

const POLL_INTERVAL_MS = 50;
/** A partition that is not there by then is waited for with a warning. */
const PATIENCE_MS = 10_000;

export class DropBarrier {
  readonly #deps: DropBarrierDeps;

  constructor(deps: DropBarrierDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves at once for an event that takes no rows away, or where one relay follows all.
   *
   * @param tokenBefore of the place between the event and what came before it
   */
  async pass(event: CollectionEvent, tokenBefore: ChangeBatch["tokenBeforeEvent"]): Promise<void> {
    const { position, tables, settings: { partition } } = this.#deps;
    if (!partition || !this.#takesRowsAway(event)) return;
    const [first = "", ...others] = siblingsOf(position.stream);
    if (partition.index === 0) return await this.#until(others, hasArrived(event));
    await tables.refresh();
    await position.save({
      ...tokenBefore && { token: bytesToHex(tokenBefore) },
      barrier: bytesToHex(event.token),
    });
    await this.#until([first], hasDone(event));
  }

  #takesRowsAway({ operation, namespace }: CollectionEvent): boolean {
    const { onDrop, scope } = this.#deps.settings;
    if (onDrop === "keep") return false;
    if (operation === "dropDatabase") return scope.includesDatabase(namespace.database);
    return (operation === "drop" || operation === "rename") && scope.includes(namespace);
  }

  async #until(streams: readonly string[], isReached: (position: Saved) => boolean): Promise<void> {
    const { read, clock, signal, log } = this.#deps;
    const since = clock.now();
    let isTold = false;
    for (const stream of streams) {
      while (!isReached(await read(stream))) {
        if (!isTold && clock.now() - since >= PATIENCE_MS) {
          isTold = true;
          log.warn("Waiting for another partition: a collection is gone, and its rows go in one step", {
            stream,
          });
        }
        await clock.wait(POLL_INTERVAL_MS, { signal });
      }
    }
  }
}

type Saved = Awaited<ReturnType<DropBarrierDeps["read"]>>;

/** Whether a stream has come to the event. */
const hasArrived = ({ token }: CollectionEvent) => (position: Saved): boolean =>
  [position?.token, position?.barrier].some((saved) => saved && hasComeTo(savedToken(saved), token));

/** Whether a stream has the event behind it. */
const hasDone = ({ token }: CollectionEvent) => (position: Saved): boolean =>
  Boolean(position?.token && hasComeTo(savedToken(position.token), token));
