/** What has to be done once a change stream is open, before its changes are applied. */
import { namespaceText } from "../../util/namespace.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import { collectionsOf } from "../../source/documents/collections.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import { isNotAllowed } from "../../source/connection/mongodb_errors.ts";
import type { Share } from "../../source/documents/share.ts";
import { Sampler } from "../../source/documents/sample.ts";
import type { FoundCollection } from "../../source/documents/scope.ts";
import { deploymentOf, identityOf } from "../../source/documents/source_identity.ts";
import type { Logger } from "../../util/log.ts";
import { checkOrigin } from "./origin.ts";
import { GoneRows } from "../snapshot/stale_rows.ts";
import { snapshotStateText } from "../snapshot/saved_snapshot.ts";
import type { RelaySettings } from "../settings.ts";
import {
  isRepair,
  planSnapshot,
  requeueAll,
  requeueLeftOut,
  type SnapshotPlan,
  type SnapshotState,
  stateOf,
} from "../snapshot/snapshot_state.ts";
import type { TableRegistry } from "../collections/table_registry.ts";

export interface PrepareDeps {
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly share: Share;
  readonly tables: TableRegistry;
  readonly position: StreamPosition;
  readonly settings: RelaySettings;
  readonly log: Logger;
}

export interface Prepared {
  readonly namespaces: readonly FoundCollection[];
  readonly plan: SnapshotPlan;
}

/**
 * Opens the tables of the collections that there are, and plans the snapshot. The stream has been opened before, so
 * that no collection is missed that is made meanwhile.
 *
 * @throws UserError, OtherDeploymentError as {@linkcode checkOrigin}
 */
export async function prepare(snapshot: SnapshotState | null, deps: PrepareDeps): Promise<Prepared> {
  const { causalReader, tables, position, settings, log } = deps;
  const namespaces = await collectionsOf(causalReader, settings.scope, { log });
  const deployment = await deploymentOf(causalReader);
  checkOrigin({ collections: namespaces, deployment }, deps);
  await checkTransform(namespaces, deps);
  if (snapshot && isRepair(snapshot)) await dropMissing(namespaces, deps);
  else await tables.resumeDrops(namespaces);
  await dropLeftOut(snapshot, namespaces, deps);
  const toResnapshot = await tables.openAll(namespaces);
  for (const namespace of toResnapshot) {
    log.warn("The table of a collection was gone: taking a new snapshot of it", {
      collection: namespaceText(namespace),
    });
  }
  for (const { stream, collections } of await tables.overlaps()) {
    log.warn("Another relay that is alive writes the same collections to the same tables", {
      stream,
      collections,
      hint: "Give relays scopes that do not overlap, with --collection and --exclude.",
    });
  }
  const sampler = new Sampler(causalReader, log);
  const isFirstStart = position.state.token === null;
  for (const namespace of isFirstStart ? namespaces : toResnapshot) {
    await tables.attempt(namespace, async () => {
      const applier = await tables.of(namespace);
      await applier.learn(() => sampler.sample(namespace, settings.transform));
    });
  }
  const toRead = requeueAll(planSnapshot(snapshot ?? undefined, namespaces), toResnapshot);
  const plan = requeueLeftOut(toRead, tables.leftOut.all, settings.onDrop);
  const state = stateOf(plan);
  await position.save({
    snapshot: state && snapshotStateText(state),
    origin: identityOf(namespaces, deployment),
  });
  return { namespaces, plan };
}

/**
 * @throws MongoServerError for a filter or stage that MongoDB refuses, even before a collection exists; UserError when
 * they take or change `_id`
 */
async function checkTransform(
  [first]: readonly FoundCollection[],
  { reader, settings: { scope, transform } }: Pick<PrepareDeps, "reader" | "settings">,
): Promise<void> {
  if (transform.length === 0) return;
  try {
    await reader.check(first ?? { database: scope.only.database ?? "admin", collection: "none" });
  } catch (error) {
    // The check reads a placeholder, to which the user needs no rights.
    if (first || !isNotAllowed(error)) throw error;
  }
}

/** Applies `--on-drop` to collections that the last run left out and that were dropped since. */
async function dropLeftOut(
  snapshot: SnapshotState | null,
  namespaces: readonly FoundCollection[],
  { tables }: Pick<PrepareDeps, "tables">,
): Promise<void> {
  const existing = new Set(namespaces.map(namespaceText));
  for (const collection of snapshot?.requeued ?? []) {
    if (collection.leftOut && !existing.has(namespaceText(collection))) await tables.drop(collection);
  }
}

/**
 * Collections that were followed and dropped while no relay ran. If several relays divide the documents, each deletes only
 * its own rows: the others may be writing.
 */
async function dropMissing(namespaces: readonly FoundCollection[], deps: PrepareDeps): Promise<void> {
  const { tables, share, settings: { onDrop }, log } = deps;
  for (const namespace of await tables.missing(namespaces)) {
    log.warn("A collection is gone", { collection: namespaceText(namespace), rows: onDrop });
    if (share.relays === 1) await tables.drop(namespace);
    else if (onDrop !== "keep") {
      const rows = new GoneRows(namespace, { ...deps, onDrop });
      await tables.removeRows(namespace, () => rows.remove(() => false));
    }
  }
}
