/** Opens the table of a collection, unless its name is taken or the server refuses it. */
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { SinkError } from "../../sink/connection/sink_error.ts";
import type { FollowedCollections } from "../../sink/metadata/followed_collections.ts";
import { isMetadataTable } from "../../sink/metadata/metadata_tables.ts";
import { quoteTable, type TableName } from "../../sink/sql/names.ts";
import { type OpenedTable, openTable } from "../../sink/table/target_table.ts";
import { errorOfOpening, isUnusableTable, UnusableTableError } from "../../sink/table/unusable_table.ts";
import type { Transports } from "../../sink/columns/widening.ts";
import type { RelaySettings } from "../settings.ts";
import type { TableOwners } from "./table_owners.ts";

export interface TableOpenerDeps {
  readonly transports: Transports;
  readonly settings: Pick<RelaySettings, "columns" | "shards">;
  readonly owners: TableOwners;
  readonly followed: Pick<FollowedCollections, "has" | "othersIn">;
  readonly tableOf: (namespace: Namespace) => TableName;
}

/** The table of a collection. */
export interface OpenedCollection {
  readonly table: OpenedTable;
  /** Whether the collection was followed before, so that it may have rows. */
  readonly isKnown: boolean;
}

export class TableOpener {
  readonly #deps: TableOpenerDeps;

  constructor(deps: TableOpenerDeps) {
    this.#deps = deps;
  }

  /**
   * Opens the table. Waits for a sink that is away. If the sink refuses a table without rows, does not wait for that: its
   * collection can be left out, and nothing is lost.
   *
   * @throws UnusableTableError, SinkError if the table cannot be used, see {@linkcode isUnusableTable}
   */
  async open(namespace: Namespace): Promise<OpenedCollection> {
    const { patient, raw } = this.#deps.transports;
    return await this.#claimed(namespace, async (isKnown, options) => {
      if (isKnown) return { table: await openTable(patient, options), isKnown };
      const table = await openTable(raw, options).catch((error) => {
        if (!(error instanceof SinkError) || isOfOneTable(error)) throw error;
        return openTable(patient, options);
      });
      return { table, isKnown };
    });
  }

  /**
   * Finds out whether the table can be opened now. Waits for nothing, so that it delays no other table.
   *
   * @throws as {@linkcode open}; SinkError if the sink is away
   */
  async probe(namespace: Namespace): Promise<void> {
    await this.#claimed(namespace, (_, options) => openTable(this.#deps.transports.raw, options));
  }

  release(namespace: Namespace): void {
    const { owners, tableOf } = this.#deps;
    owners.release(quoteTable(tableOf(namespace)), namespace);
  }

  /** Gives the table to the collection for the work, and takes it away again if that fails. */
  async #claimed<T>(
    namespace: Namespace,
    work: (
      isKnown: boolean,
      options: Pick<RelaySettings, "columns" | "shards"> & { readonly table: TableName },
    ) => Promise<T>,
  ): Promise<T> {
    const { owners, followed, tableOf, settings: { columns, shards } } = this.#deps;
    const table = tableOf(namespace);
    if (isMetadataTable(table.name)) {
      throw new UnusableTableError(
        `${quoteTable(table)} is a name of the relay's own tables: ${namespaceText(namespace)}`,
        { hint: "Give the collection another table with --table, or leave it out with --exclude." },
      );
    }
    const isKnown = await followed.has(namespace);
    await owners.claim(
      quoteTable(table),
      namespace,
      isKnown ? [] : await followed.othersIn(namespace, table),
    );
    try {
      return await work(isKnown, { columns, shards, table });
    } catch (error) {
      this.release(namespace);
      throw errorOfOpening(error, { hasRows: isKnown });
    }
  }
}

/** Whether a table without rows is why it cannot be opened. */
const isOfOneTable = (error: unknown): boolean => isUnusableTable(errorOfOpening(error, { hasRows: false }));
