/** Drops: the rows of a collection that MongoDB no longer has follow `--on-drop`. */
import type { Transports } from "../../sink/columns/rebuild.ts";
import { isSameTable, quoteTable } from "../../sink/sql/names.ts";
import { isEmptyTable } from "../../sink/table/target_table.ts";
import type { Namespace } from "../../util/namespace.ts";
import type { CollectionSettings, RelaySettings } from "../settings.ts";
import { type Collection, unlessUnusable } from "./collection.ts";
import type { OpenerDeps } from "./collection_opener.ts";
import type { CollectionStates } from "./collection_states.ts";
import type { TableApplier } from "./table_applier.ts";

export interface DropsDeps extends Pick<OpenerDeps, "share" | "owners" | "saved" | "log"> {
  readonly transports: Transports;
  readonly settings: Pick<RelaySettings, "for">;
  readonly states: CollectionStates;
}

export class Drops {
  /** Emptied tables that a backup of CrateDB keeps. */
  readonly #undropped = new Map<Collection, TableApplier>();

  constructor(private readonly deps: DropsDeps) {}

  /**
   * Applies `--on-drop`. A collection that was never followed, for example a view, has no rows, whatever table has its
   * name. If several relays divide the documents, one of them deletes the rows of all.
   *
   * @returns the collection that has the table now, which needs a snapshot; undefined for none
   */
  async drop(collection: Collection): Promise<Namespace | undefined> {
    const { owners, states, share } = this.deps;
    const hasNoRows = collection.isSkipped && collection.keepsStale;
    states.retryNow();
    collection.move({ what: "dropped" });
    if (hasNoRows || !await this.#isKnown(collection)) return void await states.remove(collection);
    const newOwner = await owners.newOwner(quoteTable(collection.table), collection.namespace);
    if (this.#onDrop(collection) === "keep") states.saveLater(collection);
    else if (!share.dropsRows) await states.remove(collection);
    else await collection.removeRows(() => this.#dropRows(collection, newOwner));
    await collection.close();
    return newOwner;
  }

  /** Whether this relay leaves the rows of a dropped collection as they are. */
  leavesRows(collection: Collection): boolean {
    return this.#onDrop(collection) === "keep" || !this.deps.share.dropsRows;
  }

  /** Drops the emptied tables of these collections that a backup of CrateDB kept when the last run ended. */
  async resume(collections: readonly Collection[]): Promise<void> {
    const { share, transports: { patient } } = this.deps;
    // Another relay may have written to the table since.
    if (share.relays > 1) return;
    const emptied: Collection[] = [];
    for (const collection of collections) {
      const isEmpty = () => isEmptyTable(patient, collection.table);
      if (this.#onDrop(collection) === "drop" && await unlessUnusable(isEmpty)) emptied.push(collection);
    }
    // Several may share a table, which the first drop removes.
    for (const collection of emptied) await this.drop(collection);
  }

  /** Drops the tables that a backup of CrateDB has kept until now. */
  async finish(): Promise<void> {
    for (const [collection, applier] of this.#undropped) {
      // A collection that has the table now keeps it.
      const isTaken = this.deps.owners.has(quoteTable(collection.table));
      if (!isTaken && await unlessUnusable(() => applier.retryDrop())) continue;
      this.#undropped.delete(collection);
      if (!isTaken && !collection.isSkipped) await this.deps.states.remove(collection);
    }
  }

  #onDrop({ namespace }: Collection): CollectionSettings["onDrop"] {
    return this.deps.settings.for(namespace).onDrop;
  }

  async #isKnown({ opened, namespace, table }: Collection): Promise<boolean> {
    const { saved, share } = this.deps;
    if (opened) return true;
    if (share.relays > 1) return await saved.isShared(namespace, table);
    const before = await saved.tableOf(namespace);
    // The rows of another table, which the collection has had, stay with that.
    return before !== undefined && isSameTable(before, table);
  }

  async #dropRows(collection: Collection, newOwner: Namespace | undefined): Promise<void> {
    const { saved, share, log, states } = this.deps;
    const stream = newOwner ? undefined : await saved.sharer(collection.namespace, collection.table);
    if (stream) {
      log.warn("Rows of a dropped collection stay: another stream writes to the table too", {
        other: stream,
      });
      return;
    }
    const { applier } = await collection.open();
    if (newOwner) await applier.discardDeadLetters();
    else if (await applier.dropRows() && share.relays === 1) {
      this.#undropped.set(collection, applier);
      return;
    }
    await states.remove(collection);
  }
}
