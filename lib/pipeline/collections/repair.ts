/** Repairs rows that `verify` has found to differ: only the relay that holds the lease may write them. */
import { byNamespace, type Namespace, namespaceText } from "../../util/namespace.ts";
import { idsOf, oidsWithoutId, type RowKey } from "../../key/document_key.ts";
import type { RepairRequests } from "../../sink/metadata/repair_requests.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import { isThere } from "../../source/documents/chunk.ts";
import type { Share } from "../../source/documents/share.ts";
import type { Scope } from "../../source/documents/scope.ts";
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import type { Collections } from "./collections.ts";

export interface RequestedRepairsDeps {
  readonly reader: Pick<DocumentReader, "lookUp" | "keysAmong">;
  readonly requests: Pick<RepairRequests, "list" | "remove">;
  readonly tables: Pick<Collections, "of" | "attempt">;
  readonly scope: Pick<Scope, "includes">;
  readonly share: Pick<Share, "among">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
}

/** Between two looks for requests. */
const POLL_INTERVAL_MS = 1_000;
/** Requests of one look. */
const MAX_REQUESTS = 1_000;

/** Executes requests for repair. Apply nothing else while it runs. */
export class RequestedRepairs {
  readonly #deps: RequestedRepairsDeps;
  #polledAt = -Infinity;

  constructor(deps: RequestedRepairsDeps) {
    this.#deps = deps;
  }

  /** Looks for requests, once a second at most. @returns whether it has written rows */
  async runIfDue(): Promise<boolean> {
    const { requests, tables, scope, share, clock, log } = this.#deps;
    const now = clock.monotonic();
    if (now - this.#polledAt < POLL_INTERVAL_MS) return false;
    const waiting = await requests.list(MAX_REQUESTS);
    // If the list is full, more may be waiting.
    this.#polledAt = waiting.length < MAX_REQUESTS ? now : -Infinity;
    let hasRows = false;
    for (const group of byNamespace(waiting)) {
      const [first] = group;
      if (!first) continue;
      const { namespace } = first;
      if (scope.includes(namespace)) {
        const own = await share.among(namespace, group);
        // A skipped collection is read again as a whole later.
        if (await tables.attempt(namespace, () => this.#repair(namespace, own))) {
          log.info("Repaired rows that were found to differ", {
            collection: namespaceText(namespace),
            rows: own.length,
          });
          hasRows = true;
        }
      }
      await requests.remove(namespace, group);
    }
    return hasRows;
  }

  /**
   * Looks up the documents of these keys, writes their rows, and removes rows without a document. A looked-up document is
   * not older than the applied changes, and the stream brings later ones.
   */
  async #repair(namespace: Namespace, keys: readonly RowKey[]): Promise<void> {
    const { reader, tables } = this.#deps;
    const applier = await tables.of(namespace);
    const existing = new Set<string>();
    for await (const part of reader.lookUp(namespace, idsOf(keys))) {
      const found = part.filter(isThere);
      for (const each of found) existing.add(applier.keyOf(each));
      await applier.apply(found, "repair");
    }
    for (const oid of await reader.keysAmong(namespace, oidsWithoutId(keys), applier.shardKey)) {
      existing.add(oid);
    }
    await applier.remove(keys.map(({ oid }) => oid).filter((oid) => !existing.has(oid)));
  }
}
