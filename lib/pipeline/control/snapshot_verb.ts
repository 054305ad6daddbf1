/** `snapshot`: reads a collection again, or those of its documents that match a filter. */
import type { Document } from "mongodb";
import { BSON } from "../../bson/library.ts";
import { isRefusal } from "../../source/connection/mongodb_errors.ts";
import { messageOf, UserError } from "../../util/errors.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import {
  assertFollows,
  type BetweenBatches,
  CancelledError,
  RefusedError,
  type VerbContext,
} from "./verb.ts";
import { verbOf } from "./verb_arguments.ts";

const POLL_INTERVAL_MS = 250;

export const snapshotVerb = verbOf("snapshot", "long", ({ collection, filter, rate }) => {
  if (filter) return (context) => readMatching(collection, { filter, rate }, context);
  if (rate === undefined) return (context) => readAll(collection, context);
  throw new RefusedError("rate needs a filter.", {
    hint: "The rate of other snapshots is that of the stream: request rate, with the argument snapshot.",
  });
});

/** @throws RefusedError for a collection that the stream does not follow, or that does not exist */
async function assertExists(namespace: Namespace, loop: BetweenBatches): Promise<void> {
  assertFollows(loop, namespace);
  if (await loop.causalReader.exists(namespace)) return;
  throw new RefusedError(`MongoDB has no collection ${namespaceText(namespace)}.`);
}

async function readAll(namespace: Namespace, context: VerbContext): Promise<string> {
  const { request: { id }, progress } = context;
  return await until(
    async (loop) => {
      await assertExists(namespace, loop);
      await requeue(namespace, id, loop);
    },
    async ({ tables, snapshot, checkpoint }) => {
      const { state, documents, retryAt, wasCancelled } = tables.states.get(namespace);
      if (state.name === "failed" && retryAt > -Infinity) {
        throw new UserError(`The collection has failed: ${state.reason}`, {
          hint: state.hint ?? "Repair the table, and request the snapshot again.",
        });
      }
      if (state.name === "waiting" && !snapshot.left(namespace)) {
        throw new UserError("The collection was dropped during its snapshot.", {
          hint: "If it is created again, the relay follows it without a request.",
        });
      }
      progress(documentsText(documents));
      if (state.name !== "following") return undefined;
      if (wasCancelled) {
        throw new UserError("The request that had begun this snapshot was cancelled.", {
          hint: "Request the snapshot again.",
        });
      }
      await checkpoint.flush();
      return `Read ${documentsText(documents)} of ${namespaceText(namespace)}, and removed rows without one.`;
    },
    ({ snapshot, tables }) => {
      if (snapshot.left(namespace)?.request !== id) return;
      snapshot.discard(namespace);
      tables.states.move(namespace, { what: "snapshot cancelled" });
    },
    context,
  );
}

/** Plans the snapshot, unless it is planned: equal requests join. */
async function requeue(
  namespace: Namespace,
  id: string,
  { tables, snapshot, checkpoint }: BetweenBatches,
): Promise<void> {
  const { state } = tables.states.get(namespace);
  // The loop takes a snapshot as soon as the table can be used.
  if (tables.retry(namespace)) return;
  const paused = tables.resume(namespace);
  if (paused) snapshot.requeueSkipped(paused);
  else if (snapshot.left(namespace)) return;
  else snapshot.requeue({ ...namespace, ...state.name === "following" && { request: id } });
  await checkpoint.save();
}

async function readMatching(
  namespace: Namespace,
  { filter: query, rate }: { readonly filter: Document; readonly rate: number | undefined },
  context: VerbContext,
): Promise<string> {
  const { request, progress } = context;
  const { database, collection } = namespace;
  const filter = BSON.EJSON.stringify(query, { relaxed: false });
  let { id } = request;
  const add = async ({ snapshot: { filtered }, checkpoint }: BetweenBatches) => {
    id = filtered.add({ id: request.id, database, collection, filter, ...rate !== undefined && { rate } });
    await checkpoint.save();
  };
  return await until(
    async (loop) => {
      await assertExists(namespace, loop);
      try {
        await loop.reader.checkQuery(namespace, query);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        throw new RefusedError(`MongoDB refuses the filter: ${messageOf(error)}`);
      }
      await add(loop);
    },
    async (loop) => {
      const outcome = loop.snapshot.filtered.outcome(id);
      // Another term of the loop has begun since it was done.
      if (!outcome) await add(loop);
      if (outcome?.kind === "failed") {
        throw new UserError(`The snapshot was not finished: ${outcome.reason}`, {
          hint: "Rows that were written stay. Remove the cause, and request it again.",
        });
      }
      if (!outcome) return undefined;
      const text = documentsText(outcome.documents);
      if (outcome.kind === "running") {
        progress(outcome.isSlow ? `${text}; MongoDB takes long to apply the filter` : text);
        return undefined;
      }
      progress(text);
      await loop.checkpoint.flush();
      return `Read ${text} of ${namespaceText(namespace)} that match the filter.`;
    },
    ({ snapshot }) => {
      if (id === request.id) snapshot.filtered.discard(id);
    },
    context,
  );
}

const documentsText = (count: number): string => `${count} document${count === 1 ? "" : "s"}`;

/** Begins between two batches, then looks until it gets a message. If the request is cancelled, undoes what it began. */
async function until(
  begin: (loop: BetweenBatches) => Promise<void>,
  look: (loop: BetweenBatches) => Promise<string | undefined>,
  undo: (loop: BetweenBatches) => void,
  { stream, signal }: Pick<VerbContext, "stream" | "signal">,
): Promise<string> {
  try {
    await stream.between(begin);
    while (true) {
      const message = await stream.between(look);
      if (message !== undefined) return message;
      await stream.clock.wait(POLL_INTERVAL_MS, { signal });
    }
  } catch (error) {
    if (signal.reason instanceof CancelledError) {
      stream.undo(async (loop) => {
        undo(loop);
        await loop.checkpoint.save();
      });
    }
    throw error;
  }
}
