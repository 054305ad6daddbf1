/** `letters`: dead letters as a work list: lists, shows, retries and discards them. */
import { rowKeyOf } from "../../key/document_key.ts";
import { DeadLetters, deadLetterStream } from "../../sink/metadata/dead_letters.ts";
import { SavedCollections } from "../../sink/metadata/saved_collections.ts";
import type { TableName } from "../../sink/sql/names.ts";
import { grouped } from "../../util/grouped.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { cut, visible } from "../../util/text.ts";
import { repairRows } from "../collections/repair.ts";
import { assertFollows, type BetweenBatches, RefusedError, type VerbContext } from "./verb.ts";
import { type Arguments, verbOf } from "./verb_arguments.ts";

/** Limits of a message. */
const MAX_LISTED = 100;
const MAX_SHOWN = 10;
const MAX_ERROR_CHARACTERS = 200;
/** Retried between two batches. */
const MAX_RETRIED = 1_000;

/** Without a collection, of all of them; without keys, all dead letters. */
type Selection = Omit<Arguments<"letters">, "action">;

export const lettersVerb = verbOf("letters", "long", ({ action, ...selection }) => {
  if (action === "discard" && !selection.collection && !selection.oid) {
    throw new RefusedError("discard needs a collection or keys (oid).", {
      hint: "A discarded dead letter is deleted: its document is in no row until it changes.",
    });
  }
  return (context: VerbContext) => ACTIONS[action](selection, context);
});

type Action = (selection: Selection, context: VerbContext) => Promise<string>;

const ACTIONS: Readonly<Record<Arguments<"letters">["action"], Action>> = {
  list: (selection, context) => printed(selection, { limit: MAX_LISTED, withDocuments: false }, context),
  show: (selection, context) => printed(selection, { limit: MAX_SHOWN, withDocuments: true }, context),
  retry,
  discard,
};

/** Reads CrateDB alone, so that it does not wait for the loop or the end of a pause. */
async function printed(
  { collection, oid: oids }: Selection,
  options: { readonly limit: number; readonly withDocuments: boolean },
  context: VerbContext,
): Promise<string> {
  const lines: string[] = [];
  let count = 0;
  for (const { name, letters } of await savedTables(collection, context)) {
    count += oids ? (await letters.among(oids)).size : await letters.count();
    const limit = options.limit - lines.length;
    if (limit <= 0) continue;
    for (const { oid, error, time, document } of await letters.list({ ...options, oids, limit })) {
      const text = options.withDocuments ? `${error}\n${document ?? "without its document"}` : error;
      const shown = options.withDocuments ? text : cut(text, MAX_ERROR_CHARACTERS);
      lines.push(`${name} ${visible(oid)} ${new Date(time).toISOString()} ${shown}`);
    }
  }
  const more = count > lines.length
    ? [`and ${count - lines.length} more: SELECT * FROM cdc_dead_letter`]
    : [];
  return [lettersText(count), ...lines, ...more].join("\n");
}

/** Alternates with the stream. Dead letters without documents are looked up in MongoDB. */
async function retry({ collection, oid }: Selection, context: VerbContext): Promise<string> {
  const { stream, progress, signal } = context;
  let tried = 0;
  let stored = 0;
  for (const { namespace, letters } of await tablesOf(collection, context)) {
    const pages = oid ? grouped(oid, { count: MAX_RETRIED }) : letters.keys(MAX_RETRIED);
    for await (const page of pages) {
      signal.throwIfAborted();
      const oids = [...await letters.among(page)];
      tried += oids.length;
      if (oids.length === 0) continue;
      await stream.between((loop) => retryPage(namespace, { oids, letters }, loop));
      stored += oids.length - (await letters.among(oids)).size;
      progress(`${stored} of ${tried} stored`);
    }
  }
  const left = tried - stored;
  return `Stored ${stored} of ${lettersText(tried)}.` +
    (left > 0 ? ` ${left} ${left === 1 ? "stays" : "stay"}, with the error of this attempt.` : "");
}

async function retryPage(
  namespace: Namespace,
  { oids, letters }: { readonly oids: readonly string[]; readonly letters: DeadLetters },
  loop: BetweenBatches,
): Promise<void> {
  const { tables, checkpoint } = loop;
  const isDone = await tables.attempt(namespace, async () => {
    const applier = await tables.of(namespace);
    await applier.retryDeadLetters(oids);
    const lacking = await letters.withoutDocument(oids);
    await repairRows(namespace, lacking.map((each) => rowKeyOf(each, applier.shardKey)), loop);
    await applier.refresh();
  });
  if (isDone) checkpoint.applied({ hasRows: true });
}

async function discard({ collection, oid }: Selection, context: VerbContext): Promise<string> {
  let count = 0;
  for (const { namespace, letters } of await tablesOf(collection, context)) {
    const discarded = oid ? (await letters.among(oid)).size : await letters.count();
    count += discarded;
    if (discarded === 0) continue;
    await context.stream.between(async ({ tables }) => {
      const { opened } = tables.states.get(namespace);
      await (opened ? opened.applier.discardDeadLetters(oid) : oid ? letters.resolve(oid) : letters.clear());
    });
  }
  return `Discarded ${lettersText(count)}.`;
}

/** The dead letters of each table. @throws RefusedError for a collection that the stream does not follow */
async function tablesOf(collection: Namespace | undefined, { stream }: Pick<VerbContext, "stream">) {
  if (collection) assertFollows(stream, collection);
  const all = await stream.between(({ tables }) => Promise.resolve(tables.states.all.toArray()));
  return all.flatMap(({ namespace, table }) => lettersOf(namespace, { table, collection, stream }));
}

/** The same, read from `cdc_collection` instead of the loop. */
async function savedTables(collection: Namespace | undefined, { stream }: Pick<VerbContext, "stream">) {
  const { names, transport, settings: { scope } } = stream;
  if (collection) assertFollows(stream, collection);
  const saved = await new SavedCollections(transport, names).list();
  return saved.filter((each) => scope.includes(each)).flatMap(({ database, collection: name, table }) =>
    lettersOf({ database, collection: name }, { table, collection, stream })
  );
}

/** Nothing if the collection has no table, or another one is meant. */
function lettersOf(namespace: Namespace, { table, collection, stream: { names, transport } }: {
  readonly table: TableName | undefined;
  readonly collection: Namespace | undefined;
  readonly stream: Pick<VerbContext["stream"], "names" | "transport">;
}) {
  const name = namespaceText(namespace);
  if (!table || collection && name !== namespaceText(collection)) return [];
  const stream = deadLetterStream(namespace, table);
  return [{ namespace, name, letters: new DeadLetters(transport, { schema: names.schema, stream }) }];
}

const lettersText = (count: number): string => `${count} dead letter${count === 1 ? "" : "s"}`;
