/** Opens the table of a collection, with all that writes to it. */
import { rowKeyOf, type ShardKey } from "../../key/document_key.ts";
import { firstKeptNow, isFixed } from "../../mapping/partition.ts";
import { type ColumnPolicy, openColumnPolicy } from "../../sink/columns/column_policy.ts";
import type { Transports } from "../../sink/columns/rebuild.ts";
import { SinkError } from "../../sink/connection/sink_error.ts";
import type { Transport } from "../../sink/connection/transport.ts";
import type { WriteLimits } from "../../sink/connection/write_pace.ts";
import { DeadLetters, deadLetterStream } from "../../sink/metadata/dead_letters.ts";
import { isMetadataTable } from "../../sink/metadata/metadata_tables.ts";
import type { SavedCollections } from "../../sink/metadata/saved_collections.ts";
import { isSameTable, quoteTable, tableFor, type TableName } from "../../sink/sql/names.ts";
import { createLiveView, liveViewOf } from "../../sink/table/cdc_column.ts";
import { shardsFor } from "../../sink/table/create_table.ts";
import { selectPart } from "../../sink/table/row_reader.ts";
import { type OpenedTable, openTable } from "../../sink/table/target_table.ts";
import {
  errorOfOpening,
  isUnusableTable,
  unusableTable,
  UnusableTableError,
} from "../../sink/table/unusable_table.ts";
import { Writer } from "../../sink/table/writer.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { Share } from "../../source/documents/share.ts";
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import type { MemoryBudget } from "../../util/garbage.ts";
import type { Names, RelaySettings } from "../settings.ts";
import type { Emit } from "../status/events.ts";
import { deadLetterLimit } from "./dead_letters.ts";
import { type Place, placeOf } from "./row_changes.ts";
import { TableApplier } from "./table_applier.ts";
import type { TableOwners } from "./table_owners.ts";

/** The table of a collection while it is open. */
export interface OpenTable {
  readonly applier: TableApplier;
  readonly columns: ColumnPolicy;
  /** Whether the collection had rows before, and its table was missing. */
  readonly wasDropped: boolean;
  /** Whether the collection had its rows in another table before. */
  readonly isMoved: boolean;
  /** Whether another relay is changing the columns since the opening. */
  isUnrecovered: boolean;
}

export interface OpenerDeps {
  readonly names: Names;
  readonly settings: Pick<
    RelaySettings,
    "for" | "lease" | "maxDeadLetters"
  >;
  readonly memory: MemoryBudget;
  readonly limits: WriteLimits;
  readonly owners: TableOwners;
  readonly saved: SavedCollections;
  readonly share: Share;
  readonly causalReader: Pick<CausalReader, "time">;
  /** The fields beside `_id` that name a row. */
  readonly shardKeyOf: (namespace: Namespace) => Promise<ShardKey>;
  /** The size of a collection. @default {unknown} */
  readonly bytesOf?: (namespace: Namespace) => Promise<number | undefined>;
  readonly isFollowing: (namespace: Namespace) => boolean;
  /** Whether the snapshot is not planned yet. */
  readonly isStarting: () => boolean;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly emit: Emit;
}

/** Recorded for a collection whose table was dropped, until its snapshot is planned. No table has this name. */
const NO_TABLE: TableName = { schema: "", name: "" };

export class CollectionOpener {
  readonly #deadLetterLimit;

  constructor(private readonly transports: Transports, private readonly deps: OpenerDeps) {
    this.#deadLetterLimit = deadLetterLimit(deps.settings.maxDeadLetters);
  }

  tableOf(namespace: Namespace): TableName {
    return tableFor(this.deps.names.tableOf(namespace), namespace, this.transports.raw.dialect);
  }

  /**
   * Opens the table, and creates it if it is missing. Waits while the sink cannot be reached. A refusal of a table that
   * never had rows is not waited for: nothing is lost if its collection fails.
   *
   * @throws UnusableTableError, SinkError if the table cannot be used, see {@linkcode isUnusableTable}
   */
  async open(namespace: Namespace): Promise<OpenTable> {
    const { names, settings, memory, limits, saved, share, shardKeyOf, isStarting, log, emit } = this.deps;
    const { patient } = this.transports;
    const { table, isKnown, isMoved } = await this.#openTable(namespace, { waits: true });
    if (table.lacksShadows) {
      log.warn("Rows written before have no geo and vector until they are written again", {
        table: quoteTable(table),
        hint: `rebuild ${namespaceText(namespace)}`,
      });
    }
    const ofCollection = settings.for(namespace);
    const { partitionBy } = ofCollection;
    const writer = new Writer(patient, table, { limits, inFlightBudget: memory.inFlight });
    const columns = await openColumnPolicy(this.transports, {
      ...this.deps,
      ...settings,
      ...ofCollection,
      table,
      writer,
      onAdded: (columns) => emit({ type: "columnsAdded", namespace, columns }),
      onWidened: (columns) => emit({ type: "columnsWidened", namespace, columns }),
    });
    const isUnrecovered = await columns.recover();
    // The next start has to know of the other table until the snapshot is planned.
    if (!isKnown && !(isMoved && isStarting())) await saved.setTable(namespace, table);
    if (ofCollection.deletes === "soft" && !await createLiveView(patient, table)) {
      const view = quoteTable(liveViewOf(table));
      log.warn("The view without deleted rows is missing: another table or view has its name", { view });
    }
    const shardKey = await shardKeyOf(namespace);
    if (!table.isNew) await checkParts(patient, table, { partitioning: partitionBy, shardKey });
    const applier = new TableApplier({
      ...this.deps,
      namespace,
      table,
      columns,
      writer,
      deadLetters: await DeadLetters.open(patient, {
        schema: names.metadataSchema,
        stream: deadLetterStream(namespace, table),
      }),
      deadLetterLimit: this.#deadLetterLimit,
      settings: ofCollection,
      partitioning: partitionBy &&
        { ...partitionBy, firstKept: () => firstKeptNow(ofCollection, this.deps.clock.now()) },
      ownKeys: async (oids) => {
        const own = await share.among(namespace, oids.map((oid) => rowKeyOf(oid, shardKey)));
        return own.map(({ oid }) => oid);
      },
      shardKey,
      isFollowing: () => this.deps.isFollowing(namespace),
      garbage: memory.garbage,
    });
    return { applier, columns, wasDropped: isKnown && table.isNew, isMoved, isUnrecovered };
  }

  /**
   * Finds out whether the table can be opened now. Waits for nothing, so that it delays no other table.
   *
   * @throws as {@linkcode open}; SinkError if the sink cannot be reached
   */
  async probe(namespace: Namespace): Promise<void> {
    await this.#openTable(namespace, { waits: false });
  }

  /** Whether the collection had its rows in another table when the relay was started before. */
  async isMoved(namespace: Namespace): Promise<boolean> {
    const before = await this.deps.saved.tableOf(namespace);
    return before !== undefined && !isSameTable(before, this.tableOf(namespace));
  }

  /** Leaves the table to another collection with the same table name. */
  release(namespace: Namespace): void {
    this.deps.owners.release(quoteTable(this.tableOf(namespace)), namespace);
  }

  /** Claims the table and opens it. Releases it if that fails. */
  async #openTable(namespace: Namespace, { waits }: { readonly waits: boolean }) {
    const { patient, raw } = this.transports;
    const { owners, saved, settings, bytesOf, isStarting } = this.deps;
    const table = this.tableOf(namespace);
    checkName(table, namespace);
    const isMoved = await this.isMoved(namespace);
    const isKnown = !isMoved && await saved.has(namespace);
    const others = isKnown ? [] : await saved.othersIn(namespace, table);
    await owners.claim(quoteTable(table), namespace, others);
    // If the relay is killed before the snapshot is planned, the next start has to plan it, too.
    const onMissing = async () => {
      if (isKnown && isStarting()) await saved.setTable(namespace, NO_TABLE);
    };
    const shardsIfNew = () => shardsFor(raw, () => bytesOf?.(namespace));
    const options = { ...settings.for(namespace), table, shardsIfNew, onMissing };
    const isFinal = (error: unknown) => isUnusableTable(errorOfOpening(error, { hasRows: false }));
    try {
      const opened = await openTable(waits && isKnown ? patient : raw, options).catch((error) => {
        if (!waits || isKnown || isFinal(error) || !(error instanceof SinkError)) throw error;
        return openTable(patient, options);
      });
      return { table: opened, isKnown, isMoved };
    } catch (error) {
      this.release(namespace);
      throw errorOfOpening(error, { hasRows: isKnown });
    }
  }
}

const CHECKED_ROWS = 1_000;

/** @throws UnusableTableError for rows in other partitions than those in which a relay would look for them */
export async function checkParts(transport: Transport, table: OpenedTable, place: Place): Promise<void> {
  if (!place.partitioning || !isFixed(place.partitioning)) return;
  const columns = `oid, ${selectPart(table.partType ?? "text")}`;
  const sql = `SELECT ${columns} FROM ${quoteTable(table)} LIMIT ${CHECKED_ROWS}`;
  for (const [oid, part] of (await transport.query(sql)).rows) {
    if ([undefined, String(part)].includes(placeOf(String(oid), place).part)) continue;
    const what = "its rows are in other partitions than --partition-by names";
    throw unusableTable(table, [{ what, isDesign: true }]);
  }
}

/** @throws UnusableTableError for a name of the relay's own tables */
export function checkName(table: TableName, namespace: Namespace): void {
  if (!isMetadataTable(table.name)) return;
  throw new UnusableTableError(
    `${quoteTable(table)} is a name of the relay's own tables: ${namespaceText(namespace)}`,
    { hint: "Give the collection another table with --table, or exclude it with --exclude." },
  );
}
