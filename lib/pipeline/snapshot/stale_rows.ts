/** Removes rows whose documents no longer exist, after their collection was read to its end. */
import { idsOf, oidsWithoutId, type RowKey, rowKeyOf, type ShardKey } from "../../key/document_key.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import type { Share } from "../../source/documents/share.ts";
import type { Logger } from "../../util/log.ts";
import type { Namespace } from "../../util/namespace.ts";
import type { TableApplier } from "../collections/table_applier.ts";
import type { Collections } from "../collections/collections.ts";
import type { RelaySettings } from "../settings.ts";

export interface StaleRowsDeps {
  readonly causalReader: Pick<CausalReader, "exists">;
  readonly reader: Pick<DocumentReader, "keysOf" | "keysAmong">;
  readonly share: Pick<Share, "among">;
  readonly tables: Pick<Collections, "of" | "sharer">;
  readonly settings: Pick<RelaySettings, "for">;
  readonly log: Logger;
}

/** Rows, or dead letters, that are checked in one step. */
const STEP_ROWS = 2_000;

async function* pagesOf(applier: Pick<TableApplier, "deadKeys" | "keys">) {
  for await (const keys of applier.deadKeys(STEP_ROWS)) yield { keys, what: "dead letters" };
  for await (const keys of applier.keys(STEP_ROWS)) yield { keys, what: "rows" };
}

/** Apply nothing of the stream during a removal: it could bring a document back after the look-up. */
export class StaleRows {
  readonly #namespace: Namespace;
  readonly #deps: StaleRowsDeps;
  #unchecked: ReturnType<typeof pagesOf> | undefined;

  constructor(namespace: Namespace, deps: StaleRowsDeps) {
    this.#namespace = namespace;
    this.#deps = deps;
  }

  /** Removes rows until `isOver`. Resolves to whether all rows were checked. */
  async remove(isOver: () => boolean): Promise<boolean> {
    const { tables, settings, log } = this.#deps;
    const { deletes } = settings.for(this.#namespace);
    if (deletes === "keep") return true;
    const applier = await tables.of(this.#namespace);
    if (!this.#unchecked) {
      const stream = await tables.sharer(this.#namespace);
      if (stream) {
        log.warn("Stale rows stay: another stream writes to the table too", { other: stream });
        return true;
      }
      await applier.refresh();
      this.#unchecked = pagesOf(applier);
    }
    while (!isOver()) {
      const { value: page, done } = await this.#unchecked.next();
      if (done) return true;
      const stale = await this.#staleKeys(page.keys, applier);
      await applier.remove(stale);
      if (stale.length > 0) {
        log.info(`${deletes === "soft" ? "Marked" : "Removed"} ${page.what} of deleted documents`, {
          [page.what]: stale.length,
        });
      }
    }
    return false;
  }

  /**
   * The keys of no document, or of none that matches the transform; none if the collection is dropped and `--on-drop
   * keep` holds. Keys of other relays are left to them: they know which of those changes are written.
   */
  async #staleKeys(oids: readonly string[], { shardKey }: TableApplier): Promise<string[]> {
    const { causalReader, reader, share, settings } = this.#deps;
    const namespace = this.#namespace;
    const all = oids.map((oid) => rowKeyOf(oid, shardKey));
    const keys = await share.among(namespace, all);
    if (keys.length < all.length) await this.#warnOfUnclear(all, shardKey);
    const existing = await reader.keysOf(namespace, idsOf(keys), shardKey);
    for (const oid of await reader.keysAmong(namespace, oidsWithoutId(keys), shardKey)) existing.add(oid);
    const stale = keys.map(({ oid }) => oid).filter((oid) => !existing.has(oid));
    if (stale.length === 0 || settings.for(namespace).onDrop !== "keep") return stale;
    return await causalReader.exists(namespace) ? stale : [];
  }

  /** A key that does not contain its `_id` belongs to no share. */
  async #warnOfUnclear(keys: readonly RowKey[], shardKey: ShardKey): Promise<void> {
    const unclear = oidsWithoutId(keys);
    const existing = await this.#deps.reader.keysAmong(this.#namespace, unclear, shardKey);
    const rows = unclear.size - existing.length;
    if (rows === 0) return;
    this.#deps.log.warn(
      "Keeping stale rows: their keys do not show which relay they belong to. A snapshot without --worker deletes them",
      { rows },
    );
  }
}
