/** Repairs rows: writes them again from their documents, or removes them. */
import { idsOf, oidsWithoutId, type RowKey } from "../../key/document_key.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import { isThere } from "../../source/documents/chunk.ts";
import type { Share } from "../../source/documents/share.ts";
import type { Namespace } from "../../util/namespace.ts";
import type { Collections } from "./collections.ts";

export interface RepairDeps {
  readonly reader: Pick<DocumentReader, "lookUp" | "keysAmong">;
  readonly tables: Pick<Collections, "of" | "attempt">;
  readonly share: Pick<Share, "among">;
}

/**
 * Looks up the documents of these keys, writes their rows, and removes rows without a document. A looked-up document is
 * not older than the applied changes, and the stream brings later ones. Apply nothing else while it runs.
 *
 * @returns the number of rows that are this relay's; undefined if the collection is skipped: it is read again as a whole later
 */
export async function repairRows(
  namespace: Namespace,
  keys: readonly RowKey[],
  { reader, tables, share }: RepairDeps,
): Promise<number | undefined> {
  const own = await share.among(namespace, keys);
  const isDone = await tables.attempt(namespace, async () => {
    const applier = await tables.of(namespace);
    const existing = new Set<string>();
    for await (const part of reader.lookUp(namespace, idsOf(own))) {
      const found = part.filter(isThere);
      for (const each of found) existing.add(applier.keyOf(each));
      await applier.apply(found, "repair");
    }
    for (const oid of await reader.keysAmong(namespace, oidsWithoutId(own), applier.shardKey)) {
      existing.add(oid);
    }
    await applier.remove(own.map(({ oid }) => oid).filter((oid) => !existing.has(oid)));
  });
  return isDone ? own.length : undefined;
}
