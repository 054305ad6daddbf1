/** Applies events of whole collections: created, dropped, renamed, resharded. */
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { CollectionEvent } from "../../source/stream/event.ts";
import type { Share } from "../../source/documents/share.ts";
import { withoutCollection } from "../../source/documents/source_identity.ts";
import type { Logger } from "../../util/log.ts";
import type { RelaySettings } from "../settings.ts";
import type { Collections } from "./collections.ts";

export interface CollectionEventDeps {
  readonly tables: Collections;
  readonly snapshot: {
    /** Reads a collection again from its start. */
    requeue(namespace: Namespace): void;
    /** The same if its table may have rows of a dropped collection. */
    requeueAfterDrop(namespace: Namespace): void;
    /** Stops reading a collection. */
    discard(namespace: Namespace): void;
  };
  readonly causalReader: Pick<CausalReader, "exists">;
  readonly share: Pick<Share, "relays">;
  readonly position: StreamPosition;
  readonly settings: Pick<RelaySettings, "scope" | "for">;
  readonly log: Logger;
}

/** Operations that change no documents. */
const HARMLESS = [
  "createIndexes",
  "dropIndexes",
  "modify",
  "startIndexBuild",
  "commitIndexBuild",
  "abortIndexBuild",
  "shardCollection",
  "refineCollectionShardKey",
  "movePrimary",
  "migrateLastChunkFromShard",
  "migrateChunkToNewShard",
  // The stream is opened again.
  "invalidate",
];

/** Operations that move the documents unchanged into a new collection with the same name and another UUID. */
const REMAKING = ["reshardCollection", "unshardCollection", "moveCollection"];

/** Operations after which documents may have another document key. */
const REKEYING = ["shardCollection", "refineCollectionShardKey", ...REMAKING];

/** Call it after the changes before the event, and before those after it. */
export async function handleCollectionEvent(
  event: CollectionEvent,
  deps: CollectionEventDeps,
): Promise<void> {
  const { operation, namespace } = event;
  const { tables, snapshot, settings, log } = deps;
  const collection = namespaceText(namespace);
  const isFollowed = settings.scope.includes(namespace);
  if (isFollowed && settings.for(namespace).key === "documentKey" && REKEYING.includes(operation)) {
    log.info("A collection has another shard key: taking a new snapshot of it", { collection });
    await tables.reopen(namespace);
    snapshot.requeue(namespace);
  }
  if (REMAKING.includes(operation)) return await forgetIdentity(namespace, deps);
  switch (operation) {
    case "create":
      if (isFollowed && !event.unfollowed) await tables.attempt(namespace, () => tables.of(namespace));
      return;
    case "drop":
      return await onDrop(event, deps);
    case "rename":
      return await onRename(event, deps);
    case "dropDatabase":
      // Its collections that had no drop event.
      for (const each of tables.openIn(namespace.database)) await onDrop({ ...event, namespace: each }, deps);
      return;
    default:
      if (!HARMLESS.includes(operation)) {
        log.warn("Skipping an unknown operation", { operation, collection });
      }
  }
}

/**
 * A dropped collection may exist: a migration drops the rest on a shard, and a collection may have been created again. If
 * it exists, it is read again, which also removes stale rows.
 */
async function onDrop({ operation, namespace }: CollectionEvent, deps: CollectionEventDeps): Promise<void> {
  const { tables, snapshot, causalReader, share, settings, log } = deps;
  if (!settings.scope.includes(namespace)) return;
  snapshot.discard(namespace);
  await forgetIdentity(namespace, deps);
  const fields = { operation, collection: namespaceText(namespace) };
  if (await causalReader.exists(namespace)) {
    log.warn("A dropped collection exists: taking a new snapshot of it", fields);
    if (share.relays > 1) await tables.reopen(namespace);
    snapshot.requeueAfterDrop(namespace);
    return;
  }
  log.warn("A collection was dropped", { ...fields, rows: settings.for(namespace).onDrop });
  const newOwner = await tables.drop(namespace);
  if (newOwner) snapshot.requeueAfterDrop(newOwner);
}

async function onRename(event: CollectionEvent, deps: CollectionEventDeps): Promise<void> {
  const { to } = event;
  const { settings, snapshot, log } = deps;
  await onDrop(event, deps);
  if (!to || !settings.scope.includes(to)) return;
  await forgetIdentity(to, deps);
  log.info("A collection has a new name: taking a snapshot of it", { collection: namespaceText(to) });
  snapshot.requeue(to);
}

/** Removes the UUID of a collection from the saved identity, as the name will have another one. */
async function forgetIdentity(namespace: Namespace, { position }: CollectionEventDeps): Promise<void> {
  const origin = withoutCollection(position.state.origin, namespace);
  if (origin !== position.state.origin) await position.save({ origin });
}
