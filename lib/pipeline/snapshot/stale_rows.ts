/** Rows of a table whose documents are gone from the collection, once that is read to its end. */
import type { ShardKey } from "../../key/document_key.ts";
import type { Namespace } from "../../util/namespace.ts";
import { idsOf, oidsWithoutId, type RowKey, rowKeyOf } from "../../key/row_key.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { DocumentReader } from "../../source/documents/documents.ts";
import type { Share } from "../../source/documents/share.ts";
import type { Logger } from "../../util/log.ts";
import type { RelaySettings } from "../settings.ts";
import type { TableApplier } from "../collections/table_applier.ts";
import type { TableRegistry } from "../collections/table_registry.ts";

export interface GoneRowsDeps {
  readonly causalReader: CausalReader;
  readonly reader: DocumentReader;
  readonly share: Pick<Share, "among">;
  readonly tables: TableRegistry;
  readonly onDrop: RelaySettings["onDrop"];
  readonly log: Logger;
}

/** Rows, or dead letters, that are looked at in one step. */
const STEP_ROWS = 2_000;

/** Keys that are looked at in one step. */
interface Page {
  readonly keys: readonly string[];
  /** What they are of. */
  readonly what: "dead letters" | "rows";
}

async function* pagesOf(applier: Pick<TableApplier, "deadKeys" | "keys">): AsyncGenerator<Page> {
  for await (const keys of applier.deadKeys(STEP_ROWS)) yield { keys, what: "dead letters" };
  for await (const keys of applier.keys(STEP_ROWS)) yield { keys, what: "rows" };
}

/** The stream cannot bring a document back between the look-up and the removal: it is not applied meanwhile. */
export class GoneRows {
  readonly #namespace: Namespace;
  readonly #deps: GoneRowsDeps;
  /** What is still to be looked at. */
  #unchecked: AsyncGenerator<Page> | undefined;

  constructor(namespace: Namespace, deps: GoneRowsDeps) {
    this.#namespace = namespace;
    this.#deps = deps;
  }

  /** Removes rows until it is told to stop. @returns whether all have been looked at */
  async remove(isOver: () => boolean): Promise<boolean> {
    const { tables, log } = this.#deps;
    const applier = await tables.of(this.#namespace);
    if (!this.#unchecked) {
      const other = await tables.sharer(this.#namespace);
      if (other) {
        log.warn("Rows of documents that are gone stay: another stream writes to the table too", {
          stream: other,
        });
        return true;
      }
      await applier.refresh();
      this.#unchecked = pagesOf(applier);
    }
    while (!isOver()) {
      const { value: page, done } = await this.#unchecked.next();
      if (done) return true;
      const gone = await this.#goneKeys(page.keys, applier);
      await applier.remove(gone);
      if (gone.length > 0) {
        log.info(`Removed ${page.what} of deleted documents`, { [page.what]: gone.length });
      }
    }
    return false;
  }

  /**
   * The keys that no document has, or none that matches; of a collection that is gone, as `--on-drop` says. Keys of
   * other relays are theirs to remove: they know what the stream has brought.
   */
  async #goneKeys(oids: readonly string[], { shardKey }: TableApplier): Promise<string[]> {
    const { causalReader, reader, share, onDrop } = this.#deps;
    const all = oids.map((oid) => rowKeyOf(oid, shardKey));
    const keys = await share.among(this.#namespace, all);
    if (keys.length < all.length) await this.#warnOfUnclear(all, shardKey);
    const there = await reader.keysOf(this.#namespace, idsOf(keys), shardKey);
    for (const oid of await reader.keysAmong(this.#namespace, oidsWithoutId(keys), shardKey)) there.add(oid);
    const gone = keys.map(({ oid }) => oid).filter((oid) => !there.has(oid));
    const stay = gone.length > 0 && onDrop === "keep" && !await causalReader.exists(this.#namespace);
    return stay ? [] : gone;
  }

  /** A key that does not show its `_id` belongs to no share. */
  async #warnOfUnclear(keys: readonly RowKey[], shardKey: ShardKey): Promise<void> {
    const unclear = oidsWithoutId(keys);
    const there = await this.#deps.reader.keysAmong(this.#namespace, unclear, shardKey);
    const rows = unclear.size - there.length;
    if (rows === 0) return;
    this.#deps.log.warn(
      "Keeping stale rows: their keys do not show which relay they belong to. verify --repair deletes them while no relay runs",
      { rows },
    );
  }
}
