/**
 * Which collection a table belongs to. Collections whose names make the same table may have it one after the other:
 *
 * | The table's owner                | Another collection comes | The table           |
 * | -------------------------------- | ------------------------ | ------------------- |
 * | none                             | any                      | is the newcomer's   |
 * | is there                         | is not there any more    | stays the owner's   |
 * | is there                         | is there too             | error: they share it |
 * | is gone                          | is there                 | is the newcomer's   |
 *
 * When a collection is dropped and its table already belongs to another one, the table stays with that new owner, whose
 * documents are read again.
 */
import { type Namespace, namespaceText } from "../namespace.ts";
import { UserError } from "../util/errors.ts";

export class TableOwners {
  readonly #exists: (namespace: Namespace) => Promise<boolean>;
  /** By the table's quoted name. */
  readonly #owners = new Map<string, Namespace>();

  /** @param exists whether MongoDB has the collection now */
  constructor(exists: (namespace: Namespace) => Promise<boolean>) {
    this.#exists = exists;
  }

  /** @throws UserError when two collections that are there would share the table */
  async claim(table: string, namespace: Namespace): Promise<void> {
    const owner = this.#owners.get(table);
    if (owner && !await this.#exists(namespace)) return;
    if (owner && await this.#exists(owner)) {
      throw new UserError(
        `Two collections would share ${table}: ${namespaceText(owner)} and ${namespaceText(namespace)}`,
        {
          hint:
            "Leave one out with --exclude; a relay of its own may follow it, with another --table. Where the " +
            "databases differ, --table '{database}.{collection}' tells them apart.",
        },
      );
    }
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

const isSame = (one: Namespace, other: Namespace): boolean => namespaceText(one) === namespaceText(other);
