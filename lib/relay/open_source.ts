/** Opens what a stream reads from MongoDB, and checks that it may. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { collectionsOf } from "../source/documents/collections.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { RangeSplitter } from "../source/documents/key_ranges.ts";
import { openShare } from "../pipeline/workers/worker_share.ts";
import type { Share } from "../source/documents/share.ts";
import type { FoundCollection, Scope } from "../source/documents/scope.ts";
import { type Catalogue, catalogueOf, namesText, unmatchedNames } from "../source/documents/unmatched.ts";
import { type Logger, QUIET } from "../util/log.ts";
import type { RetryOptions } from "../util/retry.ts";
import type { Connections } from "./connect.ts";

export type SourceSettings = Pick<
  RelaySettings,
  "scope" | "worker" | "for" | "batchSize" | "replyBytes" | "snapshotLanes"
>;

export interface SourceContext {
  readonly retries: Pick<RetryOptions, "shutdown" | "retryFor">;
  readonly log: Logger;
  /** Closes the reader. */
  readonly closing: AsyncDisposableStack;
}

/** Parts of {@linkcode LoopDeps} that read from MongoDB. */
export interface Source {
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly splitter: RangeSplitter;
  readonly share: Share;
  /** A collection that exists, or one that could. */
  readonly example: { readonly database: string; readonly collection: string };
}

/** @throws MongoError, UserError */
export async function openSource(
  { deployment, mongodbOutages }: Pick<Connections, "deployment" | "mongodbOutages">,
  settings: SourceSettings,
  { retries, log, closing }: SourceContext,
): Promise<Source> {
  const { scope, worker, batchSize, replyBytes, snapshotLanes: lanes } = settings;
  const causalReader = closing.use(
    new CausalReader(deployment.route(), { ...retries, outages: mongodbOutages }),
  );
  const found = await collectionsOf(causalReader, scope, { log: QUIET });
  const [example = { database: scope.only.database ?? "admin", collection: "none" }] = found;
  const share = await openShare(worker, { reader: causalReader, namespace: example });
  log.info(`Following ${scope}`, { collections: found.length });
  await warnOfUnmatched({ scope, found, catalogue: catalogueOf(causalReader), log });
  return {
    causalReader,
    reader: new DocumentReader(causalReader, { for: settings.for, size: batchSize, replyBytes, share }),
    splitter: new RangeSplitter(causalReader, { lanes, log }),
    share,
    example,
  };
}

export interface WarnOfUnmatchedDeps {
  readonly scope: Scope;
  /** The collections that match the scope. */
  readonly found: readonly FoundCollection[];
  readonly catalogue: Catalogue;
  readonly log: Logger;
}

/**
 * Warns of a name in the scope that matches nothing: it may be a typing error.
 *
 * @example
 * IN: shop.ordrs, which does not exist
 * OUT: WARN No collection matches yet name=ordrs existing="orders, users" did_you_mean=orders
 *
 * @throws MongoError
 */
export async function warnOfUnmatched({ scope, found, catalogue, log }: WarnOfUnmatchedDeps): Promise<void> {
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
