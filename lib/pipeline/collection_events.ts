/** What events of whole collections mean: made, dropped, renamed. */
import type { RelaySettings } from "./settings.ts";
import type { Copy } from "./snapshot.ts";
import type { Logger } from "../util/log.ts";
import type { Position } from "../sink/metadata/stream_position.ts";
import type { CollectionEvent } from "../source/event.ts";
import { withoutCollection } from "../source/source_identity.ts";
import { type Namespace, namespaceText } from "../namespace.ts";
import type { TableRegistry } from "./table_registry.ts";

export interface CollectionEventDeps {
  readonly targets: TableRegistry;
  readonly copy: Copy;
  readonly position: Position;
  readonly config: Pick<RelaySettings, "scope" | "onDrop">;
  readonly log: Logger;
}

type Handle = (event: CollectionEvent, parts: CollectionEventDeps) => Promise<void>;

/** What events of whole collections mean; of kinds that aren't here, the user is told. */
const HANDLES: ReadonlyMap<string, Handle> = new Map(Object.entries(
  {
    create: async ({ namespace, unfollowed }, { targets, config }) => {
      if (config.scope.includes(namespace) && !unfollowed) await targets.of(namespace);
    },
    drop: gone,
    rename: async (event, parts) => {
      const { to } = event;
      await gone(event, parts);
      if (!to || !parts.config.scope.includes(to)) return;
      await forgetOrigin(to, parts);
      parts.log.info("A collection has a new name, under which it is copied", {
        collection: namespaceText(to),
      });
      parts.copy.again(to);
    },
    dropDatabase: async ({ namespace }, { targets, copy }) => {
      for (const heir of await targets.goneWith(namespace.database)) copy.inherit(heir);
    },
    // The stream is opened again after it.
    invalidate: async () => {},
  } satisfies Record<string, Handle>,
));

async function gone({ operation, namespace }: CollectionEvent, parts: CollectionEventDeps): Promise<void> {
  const { targets, copy, config, log } = parts;
  if (!config.scope.includes(namespace)) return;
  copy.forget(namespace);
  await forgetOrigin(namespace, parts);
  log.warn("A collection is gone", {
    operation,
    collection: namespaceText(namespace),
    rows: config.onDrop,
  });
  const heir = await targets.gone(namespace);
  if (heir) copy.inherit(heir);
}

/** A collection that is another one from now on is no mark of the deployment. */
async function forgetOrigin(namespace: Namespace, { position }: CollectionEventDeps): Promise<void> {
  const origin = withoutCollection(position.state.origin, namespace);
  if (origin !== position.state.origin) await position.save({ origin });
}

/** What changes no document. */
const HARMLESS =
  /^(?:createIndexes|dropIndexes|modify|startIndexBuild|commitIndexBuild|abortIndexBuild|shardCollection|reshardCollection|refineCollectionShardKey|migrateLastChunkFromShard|migrateChunkToNewShard)$/;

/** Nothing that came before the event may be landed after it. */
export async function handleCollectionEvent(
  event: CollectionEvent,
  parts: CollectionEventDeps,
): Promise<void> {
  const { operation, namespace } = event;
  const handle = HANDLES.get(operation);
  if (handle) await handle(event, parts);
  else if (!HARMLESS.test(operation)) {
    parts.log.warn("An operation that this program does not know was passed over", {
      operation,
      collection: namespaceText(namespace),
    });
  }
}
