/** What events of whole collections mean: made, dropped, renamed. */
import { type Namespace, namespaceText } from "../namespace.ts";
import type { StreamPosition } from "../sink/metadata/stream_position.ts";
import type { CollectionEvent } from "../source/event.ts";
import { withoutCollection } from "../source/source_identity.ts";
import type { Logger } from "../util/log.ts";
import type { RelaySettings } from "./settings.ts";
import type { Snapshot } from "./snapshot.ts";
import type { TableRegistry } from "./table_registry.ts";

export interface CollectionEventDeps {
  readonly tables: TableRegistry;
  readonly snapshot: Pick<Snapshot, "requeue" | "requeueNewOwner" | "discard">;
  readonly position: StreamPosition;
  readonly settings: Pick<RelaySettings, "scope" | "onDrop">;
  readonly log: Logger;
}

/** Operations that change no document. */
const HARMLESS = [
  "createIndexes",
  "dropIndexes",
  "modify",
  "startIndexBuild",
  "commitIndexBuild",
  "abortIndexBuild",
  "shardCollection",
  "reshardCollection",
  "refineCollectionShardKey",
  "migrateLastChunkFromShard",
  "migrateChunkToNewShard",
  // The stream is opened again after it.
  "invalidate",
];

/** Nothing that came before the event may be applied after it. */
export async function handleCollectionEvent(
  event: CollectionEvent,
  deps: CollectionEventDeps,
): Promise<void> {
  const { operation, namespace } = event;
  switch (operation) {
    case "create":
      return await onCreate(event, deps);
    case "drop":
      return await onDrop(event, deps);
    case "rename":
      return await onRename(event, deps);
    case "dropDatabase":
      return await onDropDatabase(event, deps);
    default:
      if (HARMLESS.includes(operation)) return;
      deps.log.warn("An operation that this program does not know was passed over", {
        operation,
        collection: namespaceText(namespace),
      });
  }
}

async function onCreate(
  { namespace, unfollowed }: CollectionEvent,
  { tables, settings }: CollectionEventDeps,
): Promise<void> {
  if (settings.scope.includes(namespace) && !unfollowed) await tables.of(namespace);
}

async function onDrop({ operation, namespace }: CollectionEvent, deps: CollectionEventDeps): Promise<void> {
  const { tables, snapshot, settings, log } = deps;
  if (!settings.scope.includes(namespace)) return;
  snapshot.discard(namespace);
  await forgetIdentity(namespace, deps);
  log.warn("A collection is gone", {
    operation,
    collection: namespaceText(namespace),
    rows: settings.onDrop,
  });
  const newOwner = await tables.drop(namespace);
  if (newOwner) snapshot.requeueNewOwner(newOwner);
}

async function onRename(event: CollectionEvent, deps: CollectionEventDeps): Promise<void> {
  const { settings, snapshot, log } = deps;
  const { to } = event;
  await onDrop(event, deps);
  if (!to || !settings.scope.includes(to)) return;
  await forgetIdentity(to, deps);
  log.info("A collection has a new name: taking a snapshot of it", { collection: namespaceText(to) });
  snapshot.requeue(to);
}

async function onDropDatabase(
  { namespace }: CollectionEvent,
  { tables, snapshot }: CollectionEventDeps,
): Promise<void> {
  for (const newOwner of await tables.dropDatabase(namespace.database)) snapshot.requeueNewOwner(newOwner);
}

/** Removes the collection's UUID from the saved identity: the name will belong to another collection. */
async function forgetIdentity(namespace: Namespace, { position }: CollectionEventDeps): Promise<void> {
  const origin = withoutCollection(position.state.origin, namespace);
  if (origin !== position.state.origin) await position.save({ origin });
}
