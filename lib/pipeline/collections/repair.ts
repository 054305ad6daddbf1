/** Rows that somebody has found to differ are written anew, by the one process that may write to their tables. */
import { byNamespace, type Namespace, namespaceText } from "../../util/namespace.ts";
import { idsOf, oidsWithoutId, type RowKey } from "../../key/document_key.ts";
import type { RepairRequests } from "../../sink/metadata/repair_requests.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import { isThere } from "../../source/documents/chunk.ts";
import type { OwnKeys } from "../../source/documents/own_keys.ts";
import type { Scope } from "../../source/documents/scope.ts";
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import type { TableApplier } from "./table_applier.ts";
import type { TableRegistry } from "./table_registry.ts";

export interface RepairDeps {
  readonly reader: Pick<DocumentReader, "lookUp" | "keysAmong">;
  readonly tables: {
    of(namespace: Namespace): Promise<Pick<TableApplier, "apply" | "keyOf" | "remove" | "shardKey">>;
  };
}

/**
 * Makes the rows with these keys what their documents are now, and removes those without a document. As with every
 * look-up, what is found is not older than what the stream has brought, and later changes come with it.
 */
export async function repairRows(
  namespace: Namespace,
  keys: readonly RowKey[],
  { reader, tables }: RepairDeps,
): Promise<void> {
  const applier = await tables.of(namespace);
  const there = new Set<string>();
  for await (const part of reader.lookUp(namespace, idsOf(keys))) {
    const found = part.filter(isThere);
    for (const each of found) there.add(applier.keyOf(each));
    await applier.apply(found);
  }
  for (const oid of await reader.keysAmong(namespace, oidsWithoutId(keys), applier.shardKey)) there.add(oid);
  await applier.remove(keys.map(({ oid }) => oid).filter((oid) => !there.has(oid)));
}

export interface RequestedRepairsDeps extends RepairDeps {
  readonly requests: Pick<RepairRequests, "list" | "remove">;
  readonly tables: Pick<TableRegistry, "of" | "attempt">;
  readonly scope: Pick<Scope, "includes">;
  readonly ownKeys: Pick<OwnKeys, "among">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
}

/** Between two looks for requests. */
const POLL_INTERVAL_MS = 1_000;
/** Requests that are taken at once. */
const MAX_REQUESTS = 1_000;

/** Takes the requests that there are. Nothing else may be applied meanwhile. */
export class RequestedRepairs {
  readonly #deps: RequestedRepairsDeps;
  #polledAt = -Infinity;

  constructor(deps: RequestedRepairsDeps) {
    this.#deps = deps;
  }

  /** Looks for requests once a second at most. @returns whether rows were written */
  async runIfDue(): Promise<boolean> {
    const { requests, scope, ownKeys, clock, log } = this.#deps;
    const now = clock.monotonic();
    if (now - this.#polledAt < POLL_INTERVAL_MS) return false;
    const waiting = await requests.list(MAX_REQUESTS);
    // There may be more.
    this.#polledAt = waiting.length < MAX_REQUESTS ? now : -Infinity;
    let hasRows = false;
    for (const group of byNamespace(waiting)) {
      const [first] = group;
      if (!first) continue;
      const { namespace } = first;
      if (scope.includes(namespace)) {
        const own = await ownKeys.among(namespace, group);
        // A collection left out is read again as a whole later.
        if (await this.#deps.tables.attempt(namespace, () => repairRows(namespace, own, this.#deps))) {
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
}
