/** Applies a change batch: groups it by collection, looks up the documents that its events lack, and writes the rows. */
import { MongoServerError } from "mongodb";
import { keyText } from "../../key/key_text.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import { MongodbCode } from "../../source/connection/mongodb_errors.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import type { CollectionEvent, DocumentChange, DocumentOperation } from "../../source/stream/event.ts";
import { readAhead } from "../../util/concurrency.ts";
import { needsCdc } from "../../sink/table/cdc_column.ts";
import { type CollectionEventDeps, handleCollectionEvent } from "../collections/collection_events.ts";
import type { DocumentState, TableApplier } from "../collections/table_applier.ts";
import type { RelaySettings } from "../settings.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { SnapshotState } from "../snapshot/snapshot_state.ts";
import type { Emit } from "../status/events.ts";
import { timedParts } from "../status/stages.ts";

export interface ApplyDeps extends CollectionEventDeps {
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly settings: RelaySettings;
  /** Undefined for a relay that replicates all documents. */
  readonly barrier?: Barrier;
  readonly snapshot: CollectionEventDeps["snapshot"] & Pick<Snapshot, "state">;
  readonly emit: Emit;
}

/**
 * Holds back an event of a whole collection until the other relays of a divided stream are ready for it. All changes before
 * the event are applied: `token` is that before the event, `snapshot` the rest of the snapshot, null for none.
 */
export type Barrier = (
  event: CollectionEvent,
  applied: { readonly token: ChangeBatch["tokenBeforeEvent"]; readonly snapshot: SnapshotState | null },
) => Promise<void>;

/** Resolves when all rows of the batch are confirmed. */
export async function applyBatch(batch: ChangeBatch, deps: ApplyDeps): Promise<void> {
  const { tables, causalReader, reader, settings, emit } = deps;
  causalReader.after(batch);
  const changes = batch.changes.filter(({ namespace }) => settings.scope.includes(namespace));
  await tables.forEachCollection(changes, async ({ namespace, changes, applier }) => {
    emit({ type: "eventsRead", namespace, operations: countByOperation(changes) });
    const { transform, fullDocument, deletes, metadata } = settings.for(namespace);
    const lookUp: LookUp = (some) => {
      const found = timedParts("look_up", reader.lookUp(namespace, some.map(({ id }) => id)), { emit });
      return needsCdc({ deletes, metadata }) ? withEvents(found, some) : found;
    };
    const hasTransform = transform.length > 0;
    const isComplete = () => changes.every((each) => isDelete(each) || hasDocument(each));
    if (fullDocument === "required" && !hasTransform && !isComplete()) {
      // MongoDB itself checks that only if all collections of the stream require post-images.
      const message = "an update without a post-image";
      throw new MongoServerError({ message, code: MongodbCode.NoMatchingDocument });
    }
    const kept = deletes === "keep" ? changes.filter((change) => !isDelete(change)) : changes;
    const states = applier.shardKey.length > 0
      ? statesByDocumentKey(kept, lookUp, applier)
      : statesOf(kept, lookUp, { hasTransform, keepsRows: deletes !== "hard" });
    for await (const part of readAhead(states)) await applier.apply(part);
  });
  if (!batch.event) return;
  await deps.barrier?.(batch.event, { token: batch.tokenBeforeEvent, snapshot: deps.snapshot.state });
  await handleCollectionEvent(batch.event, deps);
}

function countByOperation(changes: readonly DocumentChange[]): Map<DocumentOperation, number> {
  const counts = { insert: 0, update: 0, replace: 0, delete: 0 };
  for (const { operation } of changes) counts[operation]++;
  return new Map(Object.entries(counts) as [DocumentOperation, number][]);
}

/** Reads the documents of changes as they are now. */
type LookUp = (changes: readonly DocumentChange[]) => AsyncGenerator<readonly DocumentState[]>;

/** Adds to documents the operation and the time of the last of these changes of each. */
async function* withEvents(
  parts: AsyncIterable<readonly DocumentState[]>,
  changes: readonly DocumentChange[],
): AsyncGenerator<readonly DocumentState[]> {
  const last = new Map(changes.map((change) => [keyText(change.id), change]));
  for await (const part of parts) {
    yield part.map((each) => {
      const { operation, clusterTime } = last.get(keyText(each.id)) ?? {};
      return { ...each, operation, clusterTime, isLast: true };
    });
  }
}

const hasDocument = (change: DocumentChange): change is DocumentChange & DocumentState =>
  change.document !== undefined;

const isDelete = ({ operation }: DocumentChange): boolean => operation === "delete";

/**
 * The documents as they are after the batch: from the last event of each key if it has the document, otherwise looked up
 * in bulk. With a transform all are looked up, as only MongoDB can run it. A look-up is newer than all events of the batch,
 * so it is applied after them. If an updated document is not found, a later batch has its delete event, so its row stays.
 * If a deleted one is not found, its row is deleted. If rows are kept, all documents in events are applied: a later one may
 * not be found.
 */
async function* statesOf(
  changes: readonly DocumentChange[],
  lookUp: LookUp,
  { hasTransform, keepsRows }: { readonly hasTransform: boolean; readonly keepsRows: boolean },
): AsyncGenerator<readonly DocumentState[]> {
  if (hasTransform) return yield* lookUp(changes);
  if (changes.every(hasDocument)) return yield changes;
  const last = [...new Map(changes.map((change) => [keyText(change.id), change])).values()];
  const complete = (keepsRows ? changes : last).filter(hasDocument)
    .map((change) => ({ ...change, isLast: true }));
  if (complete.length > 0) yield complete;
  const open = last.filter((change) => !hasDocument(change));
  for await (const part of lookUp(open.filter((change) => !isDelete(change)))) {
    yield part.filter(({ document }) => document !== null);
  }
  yield* lookUp(open.filter(isDelete));
}

/**
 * {@linkcode statesOf} if rows have document keys. An event has only its own key. If the document has another key by now,
 * or is deleted, all documents of its `_id` are looked up: their rows exist, the others do not. If MongoDB refuses to
 * return them, each key in the events becomes a dead letter.
 */
async function* statesByDocumentKey(
  changes: readonly DocumentChange[],
  lookUp: LookUp,
  applier: Pick<TableApplier, "keyOf">,
): AsyncGenerator<readonly DocumentState[]> {
  const keyOf = (change: DocumentChange): string => applier.keyOf({ ...change, document: null });
  const isSettled = (change: DocumentChange): change is DocumentChange & DocumentState =>
    hasDocument(change) && change.document !== null && applier.keyOf(change) === keyOf(change);
  yield changes.filter(isSettled);
  const open = changes.filter((change) => !isSettled(change));
  const states = (await Array.fromAsync(lookUp(open))).flat();
  const found = states.filter(({ document }) => document !== null);
  const refusals = new Map(
    states.flatMap(({ id, refusal }) => refusal === undefined ? [] : [[keyText(id), { refusal }]]),
  );
  const existing = new Set(found.map((each) => applier.keyOf(each)));
  const deleted = open.filter((change) => !existing.has(keyOf(change)));
  const rest = deleted.map((change) => ({ ...change, document: null, ...refusals.get(keyText(change.id)) }));
  yield [...found, ...rest];
}
