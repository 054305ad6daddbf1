/**
 * Which collection a table belongs to. Collections with the same table name may have it one after the other:
 *
 * | The table's owner | Another collection that wants it | The table                              |
 * | ----------------- | -------------------------------- | -------------------------------------- |
 * | none              | any                              | becomes the other collection's         |
 * | exists            | was dropped                      | stays the owner's                      |
 * | exists            | exists                           | stays the owner's: error for the other |
 * | was dropped       | exists                           | becomes the other collection's         |
 *
 * If a dropped collection's table already belongs to another collection, that one keeps it and is read again.
 */
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { UnusableTableError } from "../../sink/table/unusable_table.ts";

export class TableOwners {
  /** By the quoted name of the table. */
  readonly #owners = new Map<string, Namespace>();

  constructor(private readonly mongodb: Pick<CausalReader, "exists">) {}

  /**
   * Gives a table to a collection.
   *
   * @param recorded other collections that have had rows in the table
   * @throws UnusableTableError if another collection that exists has the table
   */
  async claim(table: string, namespace: Namespace, recorded: readonly Namespace[] = []): Promise<void> {
    const owner = this.#owners.get(table);
    if (owner && !await this.mongodb.exists(namespace)) return;
    for (const other of owner ? [owner, ...recorded] : recorded) {
      if (!isSame(other, namespace) && await this.mongodb.exists(other)) {
        throw sharedTable(table, other, namespace);
      }
    }
    // Another collection may have claimed the table while MongoDB was asked.
    if (this.#owners.get(table) !== owner) return await this.claim(table, namespace, recorded);
    this.#owners.set(table, namespace);
  }

  /** The existing collection that has the table of a dropped one; undefined for none. */
  async newOwner(table: string, dropped: Namespace): Promise<Namespace | undefined> {
    const owner = this.#owners.get(table);
    return owner && !isSame(owner, dropped) && await this.mongodb.exists(owner) ? owner : undefined;
  }

  has(table: string): boolean {
    return this.#owners.has(table);
  }

  release(table: string, namespace: Namespace): void {
    const owner = this.#owners.get(table);
    if (owner && isSame(owner, namespace)) this.#owners.delete(table);
  }
}

export const sharedTable = (table: string, owner: Namespace, other: Namespace): UnusableTableError =>
  new UnusableTableError(
    `Two collections would share ${table}: ${namespaceText(owner)} and ${namespaceText(other)}`,
    {
      hint:
        "Exclude one with --exclude, which makes another stream with a new snapshot; another relay may follow it, with " +
        "another --table. If the databases differ, use --table '{database}.{collection}'.",
    },
  );

const isSame = (one: Namespace, other: Namespace): boolean => namespaceText(one) === namespaceText(other);
