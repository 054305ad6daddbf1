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
  const { stream, progress } = context;
  const begun = await stream.between(async (loop) => {
    await assertExists(namespace, loop);
    return { loop, undo: await requeue(namespace, loop) };
  });
  return await until(
    async ({ tables, snapshot, checkpoint }) => {
      const { state, documents, retryAt } = tables.states.get(namespace);
      if (state.name === "failed" && retryAt > -Infinity) {
        throw new UserError(`The collection has failed: ${state.reason}`, {
          hint: state.hint ?? "Repair the table, and request the snapshot again.",
        });
      }
      if (state.name === "waiting" && !isLeft(namespace, snapshot)) {
        throw new UserError("The collection was dropped during its snapshot.", {
          hint: "If it is created again, the relay follows it without a request.",
        });
      }
      progress(documentsText(documents));
      if (state.name !== "following") return undefined;
      await checkpoint.flush();
      return `Read ${documentsText(documents)} of ${namespaceText(namespace)}, and removed rows without one.`;
    },
    begun,
    context,
  );
}

/** Plans the snapshot, unless it is planned: equal requests join. @returns how to undo that */
async function requeue(namespace: Namespace, { tables, snapshot, checkpoint }: BetweenBatches) {
  const { state } = tables.states.get(namespace);
  // The loop takes a snapshot as soon as the table can be used.
  if (tables.retry(namespace)) return undefined;
  const paused = tables.resume(namespace);
  if (paused) snapshot.requeueSkipped(paused);
  else if (!isLeft(namespace, snapshot)) snapshot.requeue(namespace);
  else return undefined;
  await checkpoint.save();
  if (state.name !== "following") return undefined;
  return ({ snapshot, tables }: BetweenBatches) => {
    snapshot.discard(namespace);
    tables.states.move(namespace, { what: "snapshot done" });
  };
}

const isLeft = (namespace: Namespace, { state }: BetweenBatches["snapshot"]): boolean =>
  state?.requeued.some((each) => namespaceText(each) === namespaceText(namespace)) === true;

async function readMatching(
  namespace: Namespace,
  { filter: query, rate }: { readonly filter: Document; readonly rate: number | undefined },
  context: VerbContext,
): Promise<string> {
  const { request, stream, progress } = context;
  const { database, collection } = namespace;
  const filter = BSON.EJSON.stringify(query, { relaxed: false });
  let { id } = request;
  const add = async ({ snapshot: { filtered }, checkpoint }: BetweenBatches) => {
    id = filtered.add({ id: request.id, database, collection, filter, ...rate !== undefined && { rate } });
    await checkpoint.save();
  };
  const begun = await stream.between(async (loop) => {
    await assertExists(namespace, loop);
    try {
      await loop.reader.checkQuery(namespace, query);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new RefusedError(`MongoDB refuses the filter: ${messageOf(error)}`);
    }
    await add(loop);
    return {
      loop,
      undo: ({ snapshot }: BetweenBatches) => id === request.id && snapshot.filtered.discard(id),
    };
  });
  return await until(
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
        progress(outcome.isSlow ? `${text}; MongoDB needs long for the filter` : text);
        return undefined;
      }
      progress(text);
      await loop.checkpoint.flush();
      return `Read ${text} of ${namespaceText(namespace)} that match the filter.`;
    },
    begun,
    context,
  );
}

const documentsText = (count: number): string => `${count} document${count === 1 ? "" : "s"}`;

interface Begun {
  readonly loop: BetweenBatches;
  /** Of the present term: that of a reload or a pause is another one. */
  readonly undo?: ((loop: BetweenBatches) => unknown) | undefined;
}

/** Looks between batches until it gets a message. Undoes what it has begun if it is cancelled, not if the relay ends. */
async function until(
  look: (loop: BetweenBatches) => Promise<string | undefined>,
  { loop, undo }: Begun,
  { stream, signal }: Pick<VerbContext, "stream" | "signal">,
): Promise<string> {
  let latest = loop;
  try {
    while (true) {
      const message = await stream.between((loop) => look(latest = loop));
      if (message !== undefined) return message;
      await stream.clock.wait(POLL_INTERVAL_MS, { signal });
    }
  } catch (error) {
    if (signal.reason instanceof CancelledError) undo?.(latest);
    throw error;
  }
}
