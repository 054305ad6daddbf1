/** What a relay does after its change stream is open, and before it applies the changes. */
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import {
  isNotAllowed,
  isTransformFailure,
  OtherDeploymentError,
} from "../../source/connection/mongodb_errors.ts";
import { collectionsOf } from "../../source/documents/collections.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import { sampler } from "../../source/documents/sample.ts";
import type { FoundCollection } from "../../source/documents/scope.ts";
import type { Share } from "../../source/documents/share.ts";
import { deploymentOf, differenceOf, identityOf } from "../../source/documents/source_identity.ts";
import { concurrently } from "../../util/concurrency.ts";
import { messageOf, UsageError, UserError } from "../../util/errors.ts";
import { QUIET } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { type Collections, TABLES_AT_ONCE } from "../collections/collections.ts";
import type { RelaySettings } from "../settings.ts";
import type { Requeued } from "../collections/collection_state.ts";
import * as plans from "../snapshot/snapshot_state.ts";
import type { SnapshotPlan, SnapshotState } from "../snapshot/snapshot_state.ts";
import { StaleRows, type StaleRowsDeps } from "../snapshot/stale_rows.ts";

export interface StartupDeps extends StaleRowsDeps {
  readonly causalReader: CausalReader;
  /** For samples. */
  readonly bulkReader: CausalReader;
  readonly reader: StaleRowsDeps["reader"] & Pick<DocumentReader, "check">;
  readonly share: Share;
  readonly tables: Collections;
  readonly position: Pick<StreamPosition, "stream" | "state" | "save">;
  readonly settings: Pick<RelaySettings, "for" | "scope" | "examples" | "snapshot">;
  /** @default {none} */
  readonly outdated?: Outdated;
}

/** Collections whose rows were written with other settings than those of now. */
export interface Outdated {
  includes(namespace: Namespace): boolean;
  /** Call it when the snapshots that these collections need are saved with the position. */
  planned(): Promise<void>;
}

/**
 * Opens the tables of the collections that exist, and plans the snapshot. The stream is open already, so it brings the
 * collections that are created from now on.
 *
 * @throws UserError, OtherDeploymentError as {@linkcode checkOrigin}; MongoError, SinkError
 */
export async function startUp(
  snapshot: SnapshotState | null,
  deps: StartupDeps,
): Promise<{ readonly namespaces: readonly FoundCollection[]; readonly plan: SnapshotPlan }> {
  const { tables, position, settings, outdated, log } = deps;
  const found = await findDeployment(deps);
  checkOrigin(found, deps);
  const namespaces = found.collections;
  await checkTransforms(namespaces, deps);
  if (snapshot && plans.isRepair(snapshot)) await dropMissing(namespaces, deps);
  else await tables.resumeDrops(namespaces);
  await dropSkipped(snapshot, namespaces, deps);
  const lost = await openTables(namespaces, deps);
  const isLost = new Set(lost.map(namespaceText));
  const changed = namespaces.filter((each) => outdated?.includes(each) && !isLost.has(namespaceText(each)));
  const text = "The settings of a collection have changed: taking a new snapshot of it";
  for (const each of changed) log.info(text, { collection: namespaceText(each) });
  const toRead = plans.requeueAll(plans.planSnapshot(snapshot, namespaces), [...lost, ...changed]);
  const plan = plans.requeueSkipped(toRead, tables.skipped, settings);
  tables.states.start(plans.collectionsLeft(plan));
  await tables.states.save();
  const state = plans.stateOf(plan);
  await position.save({
    snapshot: state && plans.snapshotStateText(state),
    origin: identityOf(namespaces, found.deployment),
  });
  await tables.recordTables(namespaces);
  await outdated?.planned();
  return { namespaces, plan };
}

/** @returns the collections whose tables were dropped or have changed */
async function openTables(
  namespaces: readonly FoundCollection[],
  { bulkReader, tables, position, settings, log }: StartupDeps,
): Promise<readonly Requeued[]> {
  const lost = await tables.openAll(namespaces);
  const text = "The table of a collection is missing or has changed: taking a new snapshot of it";
  for (const each of lost) log.warn(text, { collection: namespaceText(each) });
  for (const { stream, collections } of await tables.overlaps()) {
    log.warn("Another relay that is alive writes the same collections to the same tables", {
      other: stream,
      collections,
      hint: "Give relays scopes that do not overlap, with --collection and --exclude.",
    });
  }
  const sample = sampler(bulkReader, log);
  await concurrently(position.state.token === null ? namespaces : lost, TABLES_AT_ONCE, async (namespace) => {
    const { transform } = settings.for(namespace);
    await tables.attempt(namespace, async () => {
      await (await tables.of(namespace)).learn(() => sample(namespace, transform));
    });
  });
  return lost;
}

/**
 * @throws UsageError for a filter or stage that MongoDB refuses, even before a collection exists; UserError if they remove
 * or change `_id`
 */
export async function checkTransforms(
  found: readonly Namespace[],
  { reader, settings }: {
    readonly reader: Pick<DocumentReader, "check">;
    readonly settings: Pick<RelaySettings, "for" | "scope" | "examples">;
  },
): Promise<void> {
  const placeholder = { database: settings.scope.only.database ?? "admin", collection: "none" };
  const possible = [...settings.examples ?? [], ...found.length > 0 ? [] : [placeholder]];
  // Collections with the same settings have the same list of stages: of them, one that exists is read.
  const different = new Map([...possible, ...found].map((each) => [settings.for(each).transform, each]));
  for (const [transform, namespace] of different) {
    if (transform.length === 0) continue;
    try {
      await reader.check(namespace);
    } catch (error) {
      // A user needs no rights to what does not exist.
      if (isNotAllowed(error) && possible.includes(namespace)) continue;
      if (isNotAllowed(error) || !isTransformFailure(error)) throw error;
      const what = `--filter, --only, --omit or --pipeline of ${namespaceText(namespace)}`;
      throw new UsageError(`MongoDB refuses ${what}: ${messageOf(error)}`, {
        hint: "Correct the query or the stages. aggregate() in mongosh shows the same message.",
        cause: error,
      });
    }
  }
}

/** Applies `--on-drop` to collections that an earlier run skipped and that were dropped since. */
async function dropSkipped(
  snapshot: SnapshotState | null,
  namespaces: readonly FoundCollection[],
  { tables }: StartupDeps,
): Promise<void> {
  const existing = new Set(namespaces.map(namespaceText));
  for (const collection of snapshot?.requeued ?? []) {
    if (collection.skipped && !existing.has(namespaceText(collection))) await tables.drop(collection);
  }
}

/** Collections that were dropped while no relay ran. Each of several relays removes only its own rows, as the others write. */
async function dropMissing(namespaces: readonly FoundCollection[], deps: StartupDeps): Promise<void> {
  const { tables, share, settings, log } = deps;
  for (const namespace of await tables.missing(namespaces)) {
    const { onDrop } = settings.for(namespace);
    log.warn("A collection was dropped", { collection: namespaceText(namespace), rows: onDrop });
    if (share.relays === 1) await tables.drop(namespace);
    else if (onDrop !== "keep") {
      const rows = new StaleRows(namespace, deps);
      await tables.states.get(namespace).removeRows(() => rows.remove(() => false));
    }
  }
}

/** The collections that exist, and the identity of the replica set; undefined if MongoDB does not report it. */
const findDeployment = async (
  { causalReader, settings, log }: Pick<StartupDeps, "causalReader" | "settings" | "log">,
) => ({
  collections: await collectionsOf(causalReader, settings.scope, { log }),
  deployment: await deploymentOf(causalReader),
});

/**
 * Checks that the deployment is the one that the stream has followed, so that a wrong URL deletes no rows.
 *
 * @throws UserError if it is another one; OtherDeploymentError if `--snapshot always` has its documents replace the rows
 */
export function checkOrigin(
  { collections, deployment }: Awaited<ReturnType<typeof findDeployment>>,
  { position: { stream, state }, settings: { snapshot } }: {
    readonly position: { readonly stream: string; readonly state: Pick<StreamPosition["state"], "origin"> };
    readonly settings: Pick<RelaySettings, "snapshot">;
  },
): void {
  const difference = differenceOf(state.origin, collections, deployment);
  if (difference === undefined) return;
  if (snapshot === "always") throw new OtherDeploymentError(`this is another deployment: ${difference}`);
  throw new UserError(`This is another deployment than the one that ${stream} has followed: ${difference}.`, {
    hint: "No row was changed. Check MONGODB_URL. If it is right, start once with --snapshot always: all " +
      "documents are written again, and rows without a document removed. Or begin a new stream: " +
      `forget --stream '${stream}'`,
  });
}

/** {@linkcode checkOrigin} of the deployment as it is now. */
export const checkOriginNow = async (deps: Pick<StartupDeps, "causalReader" | "settings" | "position">) =>
  checkOrigin(await findDeployment({ ...deps, log: QUIET }), deps);
