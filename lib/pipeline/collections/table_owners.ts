/**
 * Which collection a table belongs to. Collections whose names make the same table may have it one after the other:
 *
 * | The table's owner | Another collection that wants it | The table                              |
 * | ----------------- | -------------------------------- | -------------------------------------- |
 * | none              | any                              | is the other collection's              |
 * | exists            | was dropped                      | stays the owner's                      |
 * | exists            | exists                           | stays the owner's: error for the other |
 * | was dropped       | exists                           | is the other collection's              |
 *
 * When a collection is dropped and its table already belongs to another one, the table stays with that new owner, whose
 * documents are read again.
 */
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { UnusableTableError } from "../../sink/table/unusable_table.ts";

export class TableOwners {
  readonly #exists: (namespace: Namespace) => Promise<boolean>;
  /** By the table's quoted name. */
  readonly #owners = new Map<string, Namespace>();

  /** @param exists whether MongoDB has the collection now */
  constructor(exists: (namespace: Namespace) => Promise<boolean>) {
    this.#exists = exists;
  }

  /**
   * Gives a table to a collection.
   *
   * @param recorded other collections that have had rows in the table
   * @throws UnusableTableError if another collection that exists has the table
   */
  async claim(table: string, namespace: Namespace, recorded: readonly Namespace[] = []): Promise<void> {
    const owner = this.#owners.get(table);
    if (owner && !await this.#exists(namespace)) return;
    for (const other of owner ? [owner, ...recorded] : recorded) {
      if (!isSame(other, namespace) && await this.#exists(other)) throw sharedTable(table, other, namespace);
    }
    // Another collection may have claimed the table while MongoDB was asked.
    if (this.#owners.get(table) !== owner) return await this.claim(table, namespace, recorded);
    this.#owners.set(table, namespace);
  }

  /** The collection that is there and has the table of one that is gone; undefined where none has. */
  async newOwner(table: string, gone: Namespace): Promise<Namespace | undefined> {
    const owner = this.#owners.get(table);
    const isOther = owner !== undefined && !isSame(owner, gone);
    return isOther && await this.#exists(owner) ? owner : undefined;
  }

  has(table: string): boolean {
    return this.#owners.has(table);
  }

  release(table: string, namespace: Namespace): void {
    const owner = this.#owners.get(table);
    if (owner && isSame(owner, namespace)) this.#owners.delete(table);
  }
}

const sharedTable = (table: string, owner: Namespace, other: Namespace): UnusableTableError =>
  new UnusableTableError(
    `Two collections would share ${table}: ${namespaceText(owner)} and ${namespaceText(other)}`,
    {
      hint:
        "Leave one out with --exclude, which makes another stream with a new snapshot; another relay may follow it, with " +
        "another --table. If the databases differ, use --table '{database}.{collection}'.",
    },
  );

const isSame = (one: Namespace, other: Namespace): boolean => namespaceText(one) === namespaceText(other);
