/** What a stream reads from MongoDB. */
import { BSON } from "../bson/library.ts";
import { bufferBatches } from "../pipeline/loop/batcher.ts";
import type { OpenStream } from "../pipeline/loop/follow.ts";
import { openShare } from "../pipeline/workers/worker_share.ts";
import { openBulkReader } from "../source/connection/deployment.ts";
import { CausalReader, type CausalReaderOptions } from "../source/connection/causal_reader.ts";
import { collectionsOf } from "../source/documents/collections.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { rangeSplitter } from "../source/documents/key_ranges.ts";
import { sizesOf } from "../source/documents/sample.ts";
import type { Scope } from "../source/documents/scope.ts";
import { type Catalogue, catalogueOf, namesText, unmatchedNames } from "../source/documents/unmatched.ts";
import { changeStream } from "../source/stream/change_stream.ts";
import { requestedDocument } from "../source/stream/requested_document.ts";
import { type Logger, QUIET } from "../util/log.ts";
import type { Namespace } from "../util/namespace.ts";
import type { Connections } from "./connect.ts";
import type { Configured } from "./stream_settings.ts";

interface SourceDeps extends Configured, Pick<Connections, "deployment" | "mongodbOutages"> {
  /** No document is read as it was after this time. @default {none} */
  readonly until?: CausalReaderOptions["until"];
  readonly retries: Pick<CausalReaderOptions, "shutdown" | "retryFor">;
  readonly log: Logger;
  /** Closes what is opened. */
  readonly closing: AsyncDisposableStack;
}

export type StreamSource = Awaited<ReturnType<typeof openSource>>;

/** `examples` are the collections that exist, or one that could. */
export async function openSource(
  { deployment, mongodbOutages, settings, content, retries, until, log, closing }: SourceDeps,
) {
  const { scope, worker, batchSize, replyBytes, snapshotLanes: lanes, snapshotOrder: order } = settings;
  const { snapshotReadPreference: preference } = settings;
  const reading = { ...retries, outages: mongodbOutages, until };
  const causalReader = closing.use(new CausalReader(closing.use(deployment.route()), reading));
  const bulkReader = await openBulkReader(causalReader, { ...reading, deployment, preference, log, closing });
  const found = await collectionsOf(causalReader, scope, { log: QUIET });
  const example = { database: scope.only.database ?? "admin", collection: "none" };
  const examples: readonly [Namespace, ...Namespace[]] = [found[0] ?? example, ...found.slice(1)];
  const share = await openShare(worker, { reader: causalReader, namespace: examples[0] });
  log.info(`Following ${scope}`, { collections: found.length });
  await warnOfUnmatched({ scope, found, catalogue: catalogueOf(causalReader), log });
  for (const name of content?.unmatched(found) ?? []) {
    log.warn("No collection matches these settings yet", { name });
  }
  const documents = { for: settings.for, size: batchSize, replyBytes, share, log };
  return {
    causalReader,
    bulkReader,
    reader: new DocumentReader(causalReader, documents),
    chunks: new DocumentReader(bulkReader, documents),
    splitter: rangeSplitter(bulkReader, { lanes, log, order }),
    share,
    examples,
    collections: found,
    sizes: sizesOf(causalReader),
  };
}

interface OpenerDeps
  extends
    Pick<SourceDeps, "settings" | "closing" | "until" | "deployment" | "mongodbOutages">,
    Pick<StreamSource, "share" | "examples">,
    Pick<Connections, "features"> {
  readonly signal: AbortSignal;
}

/** Opens the change stream. */
export function openerOf(
  { settings, signal, closing, deployment, features, mongodbOutages, share, examples, until }: OpenerDeps,
): OpenStream {
  const route = closing.use(deployment.route());
  const requested = requestedDocument(
    // Also what collections will ask for that are created later.
    [...examples, ...settings.examples ?? []].map((each) => settings.for(each)),
  );
  // The server looks up documents as they are now.
  const fullDocument = until && requested === "updateLookup" ? "lookup" : requested;
  return (from, left) =>
    bufferBatches(
      changeStream({
        ...settings,
        route,
        share,
        features,
        fullDocument,
        startAfter: from instanceof BSON.Timestamp ? null : from,
        startAt: from instanceof BSON.Timestamp ? from : undefined,
        until,
        signal: AbortSignal.any([signal, left]),
        outages: mongodbOutages,
      }),
      settings,
    );
}

/**
 * Warns of a name in the scope that matches nothing: it may be a typing error.
 *
 * @example
 * IN: shop.ordrs, which does not exist
 * OUT: WARN No collection matches yet name=ordrs existing="orders, users" did_you_mean=orders
 */
export async function warnOfUnmatched({ scope, found, catalogue, log }: {
  readonly scope: Scope;
  /** The collections that match the scope. */
  readonly found: readonly Namespace[];
  readonly catalogue: Catalogue;
  readonly log: Logger;
}): Promise<void> {
  const unmatched = await unmatchedNames(scope, found, catalogue);
  for (const { kind, name, existing, similar } of unmatched) {
    // In an empty MongoDB no name can be a mistake for another one.
    const level = existing.length > 0 ? "warn" : "info";
    log[level](`No ${kind} matches yet`, { name, existing: namesText(existing), did_you_mean: similar });
  }
  if (found.length === 0 && unmatched.length === 0) {
    log.warn("The scope has no collection yet that can be followed", { scope: `${scope}` });
  }
}
