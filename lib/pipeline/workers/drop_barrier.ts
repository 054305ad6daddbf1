/**
 * Where the relays that divide a stream wait for each other: at an event that takes a collection away, before
 * worker 0 removes its rows. The others have written all that came before it, and write nothing that comes after
 * it. So no row of the dropped collection comes late, and none of a new one of that name is removed.
 *
 * Each saves its position right before the event, and that it has come to it. Then
 *
 * | Worker | Waits until                                |
 * | --------- | ------------------------------------------ |
 * | 0         | all others have come to the event          |
 * | others    | worker 0 has saved that it is done      |
 *
 * A relay that dies goes on right before the event, and waits again.
 */
import { bytesToHex } from "../../bson/bson.ts";
import { siblingsOf } from "../../key/worker.ts";
import type { SavedPosition } from "../../sink/metadata/saved_position.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import type { CollectionEvent } from "../../source/stream/event.ts";
import { hasReachedEvent, savedToken } from "../../source/stream/resume_token.ts";
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import { snapshotStateText } from "../snapshot/saved_snapshot.ts";
import type { RelaySettings } from "../settings.ts";
import type { SnapshotState } from "../snapshot/snapshot_state.ts";
import type { TableRegistry } from "../collections/table_registry.ts";

export interface DropBarrierDeps {
  readonly position: Pick<StreamPosition, "stream" | "save">;
  readonly tables: Pick<TableRegistry, "refresh">;
  /** What a stream has saved; undefined where it was never followed. */
  readonly read: (stream: string) => Promise<Pick<SavedPosition, "token" | "barrier"> | undefined>;
  readonly settings: Pick<RelaySettings, "worker" | "onDrop" | "scope">;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
}

/** What came before an event. */
export interface Applied {
  /** BSON of the token between it and the event. */
  readonly token: ChangeBatch["tokenBeforeEvent"];
  /** What is left of the snapshot; null for nothing. */
  readonly snapshot: SnapshotState | null;
}

const POLL_INTERVAL_MS = 50;
/** A worker that is not there by then is waited for with a warning. */
const PATIENCE_MS = 10_000;

export class DropBarrier {
  readonly #deps: DropBarrierDeps;

  constructor(deps: DropBarrierDeps) {
    this.#deps = deps;
  }

  /**
   * Resolves at once for an event that takes no rows away, or where one relay follows all.
   *
   * @param applied all that came before the event
   */
  async pass(event: CollectionEvent, applied: Applied): Promise<void> {
    const { position, tables, settings: { worker } } = this.#deps;
    const { token, snapshot } = applied;
    if (!worker || !this.#takesRowsAway(event)) return;
    await tables.refresh();
    await position.save({
      ...token && { token: bytesToHex(token), snapshot: snapshot && snapshotStateText(snapshot) },
      barrier: bytesToHex(event.token),
    });
    const [first = "", ...others] = siblingsOf(position.stream);
    await (worker.index === 0
      ? this.#until(others, hasArrived(event))
      : this.#until([first], hasDone(event)));
  }

  #takesRowsAway({ operation, namespace }: CollectionEvent): boolean {
    const { onDrop, scope } = this.#deps.settings;
    if (onDrop === "keep") return false;
    if (operation === "dropDatabase") return scope.includesDatabase(namespace.database);
    return (operation === "drop" || operation === "rename") && scope.includes(namespace);
  }

  async #until(streams: readonly string[], isReached: (position: Saved) => boolean): Promise<void> {
    const { read, clock, signal, log } = this.#deps;
    const since = clock.monotonic();
    let isTold = false;
    for (const stream of streams) {
      while (!isReached(await read(stream))) {
        if (!isTold && clock.monotonic() - since >= PATIENCE_MS) {
          isTold = true;
          log.warn("Waiting for another worker: a collection is gone, and its rows go in one step", {
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
  [position?.token, position?.barrier].some((saved) => saved && hasReachedEvent(savedToken(saved), token));

/** Whether a stream has the event behind it. */
const hasDone = ({ token }: CollectionEvent) => (position: Saved): boolean =>
  Boolean(position?.token && hasReachedEvent(savedToken(position.token), token));
