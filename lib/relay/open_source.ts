/** Opens what a stream reads from MongoDB, and checks that it may. */
import type { RelaySettings } from "../pipeline/settings.ts";
import { CausalReader } from "../source/connection/causal_reader.ts";
import { collectionsOf } from "../source/documents/collections.ts";
import { DocumentReader } from "../source/documents/documents.ts";
import { rangeSplitter } from "../source/documents/key_ranges.ts";
import { openShare } from "../pipeline/workers/worker_share.ts";
import type { Scope } from "../source/documents/scope.ts";
import { type Catalogue, catalogueOf, namesText, unmatchedNames } from "../source/documents/unmatched.ts";
import { type Logger, QUIET } from "../util/log.ts";
import type { Namespace } from "../util/namespace.ts";
import type { RetryOptions } from "../util/retry.ts";
import type { Connections } from "./connect.ts";

/** Parts of `LoopDeps` that read from MongoDB. */
export type Source = Awaited<ReturnType<typeof openSource>>;

/** `example` is a collection that exists, or one that could. @param context.closing closes the reader */
export async function openSource(
  { deployment, mongodbOutages }: Pick<Connections, "deployment" | "mongodbOutages">,
  settings: RelaySettings,
  { retries, log, closing }: {
    readonly retries: Pick<RetryOptions, "shutdown" | "retryFor">;
    readonly log: Logger;
    readonly closing: AsyncDisposableStack;
  },
) {
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
    splitter: rangeSplitter(causalReader, { lanes, log }),
    share,
    example,
  };
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
