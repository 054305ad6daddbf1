/** How a change batch is applied: grouped by collection, looked up where the events do not tell, written. */
import { keyText } from "../../key/key_text.ts";
import type { Namespace } from "../../util/namespace.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { ChangeBatch } from "../../source/stream/change_stream.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import type { DocumentChange, DocumentOperation } from "../../source/stream/event.ts";
import { readAhead } from "../../util/read_ahead.ts";
import { type CollectionEventDeps, handleCollectionEvent } from "../collections/collection_events.ts";
import type { DropBarrier } from "../workers/drop_barrier.ts";
import type { Emit } from "../status/events.ts";
import type { RelaySettings } from "../settings.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import { timedParts } from "../status/stages.ts";
import type { DocumentState, TableApplier } from "../collections/table_applier.ts";

export interface ApplyDeps extends CollectionEventDeps {
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly settings: RelaySettings;
  readonly barrier: Pick<DropBarrier, "pass">;
  readonly snapshot: CollectionEventDeps["snapshot"] & Pick<Snapshot, "state">;
  readonly emit: Emit;
}

/** All rows of the batch are confirmed when it resolves. */
export async function applyBatch(batch: ChangeBatch, deps: ApplyDeps): Promise<void> {
  const { tables, causalReader, settings, emit } = deps;
  causalReader.after(batch);
  const changes = batch.changes.filter(({ namespace }) => settings.scope.includes(namespace));
  await tables.forEachCollection(changes, async ({ namespace, changes, applier }) => {
    emit({ type: "eventsRead", namespace, operations: countByOperation(changes) });
    const states = applier.shardKey.length > 0
      ? statesByDocumentKey(changes, { ...deps, namespace, applier })
      : statesOf(namespace, changes, deps);
    for await (const part of readAhead(states)) await applier.apply(part);
  });
  if (!batch.event) return;
  await deps.barrier.pass(batch.event, { token: batch.tokenBeforeEvent, snapshot: deps.snapshot.state });
  await handleCollectionEvent(batch.event, deps);
}

function countByOperation(changes: readonly DocumentChange[]): Map<DocumentOperation, number> {
  const counts = { insert: 0, update: 0, replace: 0, delete: 0 };
  for (const { operation } of changes) counts[operation]++;
  return new Map(Object.entries(counts) as [DocumentOperation, number][]);
}

const isTold = (change: DocumentChange): change is DocumentChange & DocumentState =>
  change.document !== undefined;

/**
 * The documents as they are after the batch: from the last event of each key where it tells, else looked up in bulk; where
 * a transform applies, all are looked up, as only MongoDB can run it. What is looked up is newer than all events of the
 * batch, so it comes after them. An updated document that is looked up and gone has its delete event still to come. A
 * deleted one that is looked up and gone is gone.
 */
async function* statesOf(
  namespace: Namespace,
  changes: readonly DocumentChange[],
  deps: ApplyDeps,
): AsyncGenerator<readonly DocumentState[]> {
  const { settings } = deps;
  const lookUp = (untold: readonly DocumentChange[]) => lookedUp(untold, { ...deps, namespace });
  if (settings.transform.length > 0) return yield* lookUp(changes);
  if (changes.every(isTold)) return yield changes;
  const last = lastChanges(changes);
  const told = last.filter(isTold);
  if (told.length > 0) yield told;
  const untold = last.filter((change) => !isTold(change));
  for await (const part of lookUp(untold.filter((change) => !isDelete(change)))) {
    yield part.filter(({ document }) => document !== null);
  }
  yield* lookUp(untold.filter(isDelete));
}

const isDelete = ({ operation }: DocumentChange): boolean => operation === "delete";

type LookUpDeps = Pick<ApplyDeps, "reader" | "emit"> & { readonly namespace: Namespace };

/** The documents of changes as they are now. */
const lookedUp = (
  changes: readonly DocumentChange[],
  { reader, emit, namespace }: LookUpDeps,
): AsyncGenerator<readonly DocumentState[]> =>
  timedParts("look_up", reader.lookUp(namespace, changes.map(({ id }) => id)), { emit });

/** The last change of each document. */
const lastChanges = (changes: readonly DocumentChange[]): DocumentChange[] => [
  ...new Map(changes.map((change) => [keyText(change.id), change])).values(),
];

interface Keyed extends LookUpDeps {
  readonly applier: Pick<TableApplier, "keyOf">;
}

/**
 * The same where rows are named by document keys. An event tells only of its own key. Where the document has another one
 * by now, or is deleted, all documents of its `_id` are looked up: the rows that they name are there, the others are not.
 * If MongoDB refuses to give them, each key that the events name becomes a dead letter.
 */
async function* statesByDocumentKey(
  changes: readonly DocumentChange[],
  deps: Keyed,
): AsyncGenerator<readonly DocumentState[]> {
  const { applier } = deps;
  const keyOf = (change: DocumentChange): string => applier.keyOf({ ...change, document: null });
  const isSettled = (change: DocumentChange): change is DocumentChange & DocumentState =>
    isTold(change) && change.document !== null && applier.keyOf(change) === keyOf(change);
  yield changes.filter(isSettled);
  const open = changes.filter((change) => !isSettled(change));
  const parts = await Array.fromAsync(lookedUp(open, deps));
  const states = parts.flat();
  const found = states.filter(({ document }) => document !== null);
  const refusals = new Map(
    states.flatMap(({ id, refusal }) => refusal === undefined ? [] : [[keyText(id), { refusal }]]),
  );
  const there = new Set(found.map((each) => applier.keyOf(each)));
  const gone = open.filter((change) => !there.has(keyOf(change)));
  yield [
    ...found,
    ...gone.map((change) => ({ ...change, document: null, ...refusals.get(keyText(change.id)) })),
  ];
}
