/**
 * The barrier of the workers of a stream: before worker 0 deletes the rows of a dropped collection, every worker must have
 * written all earlier changes, and none may write later ones. So no row of the dropped collection arrives late, and no row
 * of a new collection with the same name is deleted.
 *
 * Each worker saves its position before the event, and that it has reached the event. Then worker 0 waits until all others
 * have reached it, and the others wait until worker 0 has saved a position after it. After a crash, a worker resumes before
 * the event and waits again.
 */
import { bytesToHex } from "../../bson/bson.ts";
import { siblingsOf } from "../../key/stream_name.ts";
import type { SavedPosition } from "../../sink/metadata/saved_position.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import type { Share } from "../../source/documents/share.ts";
import type { CollectionEvent } from "../../source/stream/event.ts";
import { hasReachedEvent, savedToken } from "../../source/stream/resume_token.ts";
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import type { Collections } from "../collections/collections.ts";
import type { Barrier } from "../loop/apply_batch.ts";
import type { RelaySettings } from "../settings.ts";
import { snapshotStateText } from "../snapshot/snapshot_state.ts";

type Saved = Pick<SavedPosition, "token" | "barrier"> | undefined;

export interface DropBarrierDeps {
  readonly position: Pick<StreamPosition, "stream" | "save">;
  readonly tables: Pick<Collections, "refresh">;
  readonly share: Pick<Share, "dropsRows">;
  /** Reads the saved position of a stream; undefined if no relay has followed it. */
  readonly read: (stream: string) => Promise<Saved>;
  readonly settings: Pick<RelaySettings, "for" | "scope">;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
}

const POLL_INTERVAL_MS = 50;
const PATIENCE_MS = 10_000;

/** Passes at once an event after which no rows are deleted. */
export const dropBarrier = (deps: DropBarrierDeps): Barrier => async (event, { token, snapshot }) => {
  const { position, tables, share, settings } = deps;
  if (!deletesRows(event, settings)) return;
  await tables.refresh();
  await position.save({
    ...token && { token: bytesToHex(token), snapshot: snapshot && snapshotStateText(snapshot) },
    barrier: bytesToHex(event.token),
  });
  const [first = "", ...others] = siblingsOf(position.stream);
  const hasPassed = (saved: string | null | undefined): boolean =>
    Boolean(saved && hasReachedEvent(savedToken(saved), event.token));
  await (share.dropsRows
    ? until(others, (saved) => hasPassed(saved?.token) || hasPassed(saved?.barrier), deps)
    : until([first], (saved) => hasPassed(saved?.token), deps));
};

function deletesRows(
  { operation, namespace }: CollectionEvent,
  settings: DropBarrierDeps["settings"],
): boolean {
  if (settings.for(namespace).onDrop === "keep") return false;
  if (operation === "dropDatabase") return settings.scope.includesDatabase(namespace.database);
  return (operation === "drop" || operation === "rename") && settings.scope.includes(namespace);
}

async function until(
  streams: readonly string[],
  isReached: (position: Saved) => boolean,
  { read, clock, signal, log }: DropBarrierDeps,
): Promise<void> {
  const warning = "Waiting for another worker before the rows of a dropped collection are deleted";
  let logsAt = clock.monotonic() + PATIENCE_MS;
  for (const stream of streams) {
    while (!isReached(await read(stream))) {
      if (clock.monotonic() >= logsAt) {
        logsAt = Infinity;
        log.warn(warning, { other: stream });
      }
      await clock.wait(POLL_INTERVAL_MS, { signal });
    }
  }
}
