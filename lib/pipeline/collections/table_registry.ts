/** The table of each collection, opened when its first document arrives. */
import { byNamespace, type Namespace, namespaceText } from "../../util/namespace.ts";
import { rowKeyOf, type ShardKey } from "../../key/document_key.ts";
import { DeadLetters, deadLetterStream } from "../../sink/metadata/dead_letters.ts";
import { FollowedCollections } from "../../sink/metadata/followed_collections.ts";
import { type ColumnPolicy, JSONB_COLUMNS, openColumnPolicy } from "../../sink/columns/column_policy.ts";
import { quoteTable, tableFor, type TableName } from "../../sink/sql/names.ts";
import { TableSchema } from "../../sink/columns/table_schema.ts";
import { isEmptyTable, type TargetTable } from "../../sink/table/target_table.ts";
import { isUnusableTable } from "../../sink/table/unusable_table.ts";
import { Writer } from "../../sink/table/writer.ts";
import { type Transports, Widening } from "../../sink/columns/widening.ts";
import { SinkError } from "../../sink/connection/sink_error.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import type { OwnKeys } from "../../source/documents/own_keys.ts";
import type { Clock } from "../../util/clock.ts";
import { concurrently } from "../../util/concurrency.ts";
import type { Logger } from "../../util/log.ts";
import type { OutageTracker } from "../../util/outage.ts";
import { DeadLetterLimit } from "./dead_letter_limit.ts";
import { type Counts, type Emit, NO_COUNTS, sumOf } from "../status/events.ts";
import { LeftOut } from "./left_out.ts";
import type { MemoryBudget } from "../memory_budget.ts";
import type { Names, RelaySettings } from "../settings.ts";
import type { Requeued } from "../snapshot/snapshot_state.ts";
import { TableApplier } from "./table_applier.ts";
import { TableOpener } from "./table_opener.ts";
import { TableOwners } from "./table_owners.ts";

export interface TableRegistryOptions {
  readonly names: Names;
  readonly settings: RelaySettings;
  readonly memory: MemoryBudget;
  readonly causalReader: Pick<CausalReader, "exists">;
  readonly ownKeys: Pick<OwnKeys, "among">;
  /** What rows are named by beside `_id`. */
  readonly shardKeyOf: (namespace: Namespace) => Promise<ShardKey>;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly emit: Emit;
}

interface Entry {
  readonly namespace: Namespace;
  readonly applier: TableApplier;
  readonly columns: ColumnPolicy;
  /** Whether the collection had rows before, and its table was not there. */
  readonly wasDropped: boolean;
}

/** What the changes of a collection are applied with. */
export interface CollectionChanges<T> {
  readonly namespace: Namespace;
  readonly changes: readonly T[];
  readonly applier: TableApplier;
}

/** Between two tries of what a backup of CrateDB keeps waiting. */
const PUT_OFF_INTERVAL_MS = 5_000;

/** Tables that are worked on at once. */
const TABLES_AT_ONCE = 4;

export class TableRegistry {
  readonly leftOut: LeftOut;
  readonly #transports: Transports;
  readonly #options: TableRegistryOptions;
  readonly #entries = new Map<string, Promise<Entry>>();
  readonly #owners: TableOwners;
  readonly #deadLetterLimit: DeadLetterLimit;
  readonly #followed: FollowedCollections;
  readonly #opener: TableOpener;
  /** Columns that another relay was changing when they were opened. */
  readonly #unrecovered = new Set<ColumnPolicy>();
  /** Emptied tables of collections that are gone, by their quoted names. */
  readonly #undropped = new Map<string, { readonly namespace: Namespace; readonly applier: TableApplier }>();
  #putOffTriedAt = 0;
  /** Of tables to which something was written that queries may not see yet. */
  readonly #dirty = new Map<TableApplier, Namespace>();
  #counts = NO_COUNTS;

  constructor(transports: Transports, options: TableRegistryOptions) {
    this.#transports = transports;
    this.#options = options;
    this.leftOut = new LeftOut(options);
    this.#deadLetterLimit = new DeadLetterLimit(options.settings.maxDeadLetters);
    const { names: { stream, metadataSchema: schema }, causalReader } = options;
    this.#owners = new TableOwners((namespace) => causalReader.exists(namespace));
    this.#followed = new FollowedCollections(transports.patient, { schema, stream });
    this.#opener = new TableOpener({
      transports,
      settings: options.settings,
      owners: this.#owners,
      followed: this.#followed,
      tableOf: (namespace) => this.tableOf(namespace),
    });
  }

  /**
   * The applier of a collection. Makes the table where there is none.
   *
   * @throws UnusableTableError, SinkError if the table cannot be used, see {@linkcode isUnusableTable}
   */
  async of(namespace: Namespace): Promise<TableApplier> {
    return (await this.#entryOf(namespace)).applier;
  }

  /**
   * Works on the table of a collection. If the table cannot be used, leaves the collection out, unless the relay follows
   * this collection alone.
   *
   * @returns whether the work is done
   * @throws the error of the table if there can be no other one; each other error
   */
  async attempt(namespace: Namespace, work: () => Promise<unknown>): Promise<boolean> {
    if (this.leftOut.has(namespace)) return false;
    try {
      await work();
      return true;
    } catch (error) {
      await this.#leaveOut(namespace, error);
      return false;
    }
  }

  tableOf(namespace: Namespace): TableName {
    const { dialect } = this.#transports.raw;
    return tableFor(this.#options.names.tableOf(namespace), namespace, dialect);
  }

  /** Another stream that writes to the collection's table, where there is one. */
  sharer(namespace: Namespace): Promise<string | undefined> {
    return this.#followed.sharer(namespace, this.tableOf(namespace));
  }

  /** Collections that were followed and are not among these, except those whose table one of these has. */
  async missing(namespaces: readonly Namespace[]): Promise<Namespace[]> {
    const taken = new Set(namespaces.map((each) => quoteTable(this.tableOf(each))));
    return (await this.#followed.list()).filter((each) => !taken.has(quoteTable(this.tableOf(each))));
  }

  /** Whether this stream had tables before, in which there may be rows whose documents are gone. */
  async hadTables(): Promise<boolean> {
    return (await this.#followed.list()).length > 0;
  }

  /** Other streams, alive, that write collections of this one to the same tables, with their number. */
  overlaps(): ReturnType<FollowedCollections["overlaps"]> {
    return this.#followed.overlaps();
  }

  /**
   * Opens the tables of these collections, and tries their dead letters again. Leaves out collections whose tables cannot
   * be used.
   *
   * @returns the collections whose tables somebody has dropped since they were filled: they need a new snapshot
   * @throws the error of the first table if none can be used
   */
  async openAll(namespaces: readonly Namespace[]): Promise<Namespace[]> {
    const known = new Set(this.#entries.keys());
    const failures: (readonly [Namespace, unknown])[] = [];
    const usable = namespaces.filter((each) => !this.leftOut.has(each));
    const entries = await concurrently(usable, TABLES_AT_ONCE, async (namespace) => {
      this.#options.signal.throwIfAborted();
      try {
        const entry = await this.#entryOf(namespace);
        if (!known.has(namespaceText(namespace))) await entry.applier.retryDeadLetters();
        return entry;
      } catch (error) {
        if (!isUnusableTable(error)) throw error;
        failures.push([namespace, error]);
        return undefined;
      }
    });
    if (failures[0] && this.#entries.size === 0) throw failures[0][1];
    for (const failure of failures) await this.#leaveOut(...failure);
    return usable.filter((each, at) => entries[at]?.wasDropped && !known.has(namespaceText(each)));
  }

  /**
   * Retries tables that could not be used, if a retry is due. Nothing else may write at the same time. Rows of a collection
   * that was dropped since then follow `--on-drop`.
   *
   * @returns the collections whose tables can be used again; each needs a snapshot
   */
  async retryLeftOut(): Promise<readonly Requeued[]> {
    const tried = await concurrently(this.leftOut.due(TABLES_AT_ONCE), TABLES_AT_ONCE, async (collection) => {
      let exists: boolean;
      try {
        exists = await this.#options.causalReader.exists(collection);
        const rowsStay = this.#options.settings.onDrop === "keep" || this.#isLaterWorker;
        if (!exists && rowsStay) return (this.leftOut.putOff(collection), []);
        await this.#opener.probe(collection);
        if (exists) await this.of(collection);
      } catch (error) {
        if (isUnusableTable(error)) this.leftOut.failedAgain(collection, error);
        else if (error instanceof SinkError) this.leftOut.putOff(collection);
        else throw error;
        return [];
      }
      if (!exists) {
        const newOwner = await this.drop(collection);
        return newOwner ? [newOwner] : [];
      }
      this.leftOut.remove(collection);
      this.#options.log.info(
        "The table of a collection that was left out can be used: taking a snapshot of it",
        { collection: namespaceText(collection) },
      );
      return [collection];
    });
    return tried.flat();
  }

  /**
   * Groups changes by their collection and has them worked on, several collections at once. Changes of collections that
   * are left out are dropped.
   */
  async forEachCollection<T extends { readonly namespace: Namespace }>(
    changes: readonly T[],
    work: (group: CollectionChanges<T>) => Promise<void>,
  ): Promise<void> {
    await concurrently(byNamespace(changes), TABLES_AT_ONCE, async (group) => {
      const [first] = group;
      if (!first) return;
      const { namespace } = first;
      await this.attempt(
        namespace,
        async () => await work({ namespace, changes: group, applier: await this.of(namespace) }),
      );
    });
  }

  /**
   * Rows of a collection that was dropped or renamed follow `--on-drop`. A collection that was never followed, a view
   * for instance, has no rows here, whatever table has its name. Of several workers, the first one removes the rows of
   * all, see {@linkcode DropBarrier}.
   *
   * @returns the collection that has the table by now, to be read again; undefined where none has
   */
  async drop(namespace: Namespace): Promise<Namespace | undefined> {
    const hasNoRows = this.leftOut.get(namespace)?.keepsGone === true;
    this.leftOut.remove(namespace);
    this.leftOut.tryNow();
    if (hasNoRows) return undefined;
    const newOwner = await this.#owners.newOwner(quoteTable(this.tableOf(namespace)), namespace);
    if (this.#options.settings.onDrop !== "keep") {
      if (this.#isLaterWorker) await this.#followed.remove(namespace);
      else if (await this.#isKnown(namespace)) {
        await this.removeRows(namespace, () => this.#dropRows(namespace, newOwner));
      }
    }
    await this.#close(namespace);
    return newOwner;
  }

  /** Whether the relay follows one collection, so that it has nothing to do if the table cannot be used. */
  get #isSingle(): boolean {
    return this.#options.settings.scope.level === "collection";
  }

  get #isLaterWorker(): boolean {
    return (this.#options.settings.worker?.index ?? 0) > 0;
  }

  async #isKnown(namespace: Namespace): Promise<boolean> {
    if (this.#entries.has(namespaceText(namespace))) return true;
    return this.#options.settings.worker
      ? await this.#followed.isShared(namespace, this.tableOf(namespace))
      : await this.#followed.has(namespace);
  }

  /** Has the table opened again: the collection's shard key has changed, or another worker may have dropped the table. */
  async reopen(namespace: Namespace): Promise<void> {
    await this.#close(namespace);
  }

  /**
   * Drops the tables that a backup of CrateDB kept when the last run ended: emptied ones of collections that are gone. A
   * worker does not: another one may have written there since.
   */
  async resumeDrops(namespaces: readonly Namespace[]): Promise<void> {
    const { onDrop, worker } = this.#options.settings;
    if (onDrop !== "drop" || worker) return;
    for (const namespace of await this.missing(namespaces)) {
      const isEmpty = () => isEmptyTable(this.#transports.patient, this.tableOf(namespace));
      if (await unlessUnusable(isEmpty)) await this.drop(namespace);
    }
  }

  /** The collections of a database whose tables are open, and those left out. */
  openIn(database: string): Namespace[] {
    return [...this.#entries.keys(), ...this.leftOut.all.map(namespaceText)]
      .filter((name) => name.startsWith(`${database}.`))
      .map((name) => ({ database, collection: name.slice(database.length + 1) }));
  }

  /** Makes what was written visible to queries. */
  async refresh(): Promise<void> {
    await concurrently([...this.#dirty], TABLES_AT_ONCE, async ([applier, namespace]) => {
      if (applier.dirty) await this.attempt(namespace, () => applier.refresh());
      if (!applier.dirty) this.#dirty.delete(applier);
    });
  }

  /** Entries whose tables are open by now, without those that cannot be opened. */
  async #opened(): Promise<readonly Entry[]> {
    const settled = await Promise.allSettled(this.#entries.values());
    return settled.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  }

  /** Tries again, now and then, what a backup of CrateDB has kept waiting. Nothing may be written meanwhile. */
  async retryPutOff(): Promise<void> {
    const now = this.#options.clock.monotonic();
    if (now - this.#putOffTriedAt < PUT_OFF_INTERVAL_MS) return;
    this.#putOffTriedAt = now;
    for (const { namespace, columns } of await this.#opened()) {
      await this.attempt(namespace, () => columns.retryPutOff());
    }
    for (const [table, { namespace, applier }] of this.#undropped) {
      // Whoever has the table by now keeps it.
      const isTaken = this.#owners.has(table);
      if (!isTaken && await unlessUnusable(() => applier.retryDrop())) continue;
      this.#undropped.delete(table);
      if (!isTaken) await this.#followed.remove(namespace);
    }
  }

  /**
   * Looks from time to time for what a relay that died has left, as long as there may be something: while statements
   * fail, as a table that is closed to writing makes them, and where another relay was at work at the start.
   */
  recoverDuring(outages: OutageTracker, fail: (error: unknown) => void): Disposable {
    let isBusy = false;
    const look = async () => {
      if (isBusy || !outages.active && this.#unrecovered.size === 0) return;
      isBusy = true;
      try {
        const entries = outages.active ? await this.#opened() : [];
        for (const columns of new Set([...this.#unrecovered, ...entries.map(({ columns }) => columns)])) {
          if (!await unlessUnusable(() => columns.recover())) this.#unrecovered.delete(columns);
        }
      } catch (error) {
        fail(error);
      } finally {
        isBusy = false;
      }
    };
    const timer = setInterval(look, this.#options.settings.lease / 3);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** Of all tables since the start, also of those that are closed. */
  get counts(): Counts {
    return this.#counts;
  }

  /** Concurrent calls get the same entry. One that cannot be opened is opened again by the next call. */
  #entryOf(namespace: Namespace): Promise<Entry> {
    const name = namespaceText(namespace);
    const known = this.#entries.get(name);
    if (known) return known;
    const entry = this.#open(namespace);
    this.#entries.set(name, entry);
    entry.catch(() => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      this.#opener.release(namespace);
    });
    return entry;
  }

  async #open(namespace: Namespace): Promise<Entry> {
    const { names, settings, log, emit } = this.#options;
    const { patient } = this.#transports;
    const name = this.tableOf(namespace);
    const { table, isKnown } = await this.#opener.open(namespace);
    const writer = new Writer(patient, table, { ...settings, inFlightBudget: this.#options.memory.inFlight });
    const columns = await this.#columnsOf(namespace, table, writer);
    if (await columns.recover()) this.#unrecovered.add(columns);
    if (!isKnown) await this.#followed.add(namespace, name);
    const stream = deadLetterStream(namespace, name);
    const deadLetters = await DeadLetters.open(patient, { schema: names.metadataSchema, stream });
    const shardKey = await this.#options.shardKeyOf(namespace);
    const applier: TableApplier = new TableApplier({
      namespace,
      table,
      columns,
      writer,
      deadLetters,
      deadLetterLimit: this.#deadLetterLimit,
      onDrop: settings.onDrop,
      omit: settings.omit,
      ownKeys: (oids) => this.#ownKeys(namespace, oids, shardKey),
      shardKey,
      garbage: this.#options.memory.garbage,
      log,
      emit: (event) => {
        if (event.type === "tableWritten") {
          this.#counts = sumOf(this.#counts, event);
          this.#dirty.set(applier, namespace);
        }
        emit(event);
      },
    });
    return { namespace, applier, columns, wasDropped: isKnown && table.isNew };
  }

  /** @throws the error if it is not of one table, or if the relay follows this collection alone */
  async #leaveOut(namespace: Namespace, error: unknown): Promise<void> {
    if (!isUnusableTable(error)) throw error;
    await this.#abandon(namespace);
    if (this.leftOut.has(namespace)) return;
    if (this.#isSingle) throw error;
    // One that never had rows has none to remove; rows of others in its table follow --on-drop.
    const keepsGone = !await this.#followed.has(namespace);
    if (!this.leftOut.has(namespace)) this.leftOut.add({ ...namespace, keepsGone }, error);
  }

  /** Closes a table that cannot be used. */
  async #abandon(namespace: Namespace): Promise<void> {
    const name = namespaceText(namespace);
    const [entry] = await Promise.allSettled([this.#entries.get(name)]);
    if (entry?.status !== "fulfilled" || !entry.value) return;
    const { applier, columns } = entry.value;
    this.#forget(namespace, applier);
    this.#unrecovered.delete(columns);
  }

  async #ownKeys(namespace: Namespace, oids: readonly string[], shardKey: ShardKey): Promise<string[]> {
    const keys = oids.map((oid) => rowKeyOf(oid, shardKey));
    return (await this.#options.ownKeys.among(namespace, keys)).map(({ oid }) => oid);
  }

  async #columnsOf(namespace: Namespace, table: TargetTable, writer: Writer): Promise<ColumnPolicy> {
    const { settings, log, signal, clock, emit } = this.#options;
    const { patient } = this.#transports;
    if (patient.dialect.isJsonb) return JSONB_COLUMNS;
    const tableSchema = new TableSchema(patient, {
      table,
      log,
      inferred: settings.columns === "dynamic",
      needed: table.hasOverflow ? ["oid", "data", "overflow"] : ["oid", "data"],
      onAdded: (columns) => emit({ type: "columnsAdded", namespace, columns }),
    });
    const widening = new Widening(this.#transports, {
      ...settings,
      table,
      tableSchema,
      signal,
      log,
      clock,
      onWidened: (columns) => emit({ type: "columnsWidened", namespace, columns }),
    });
    return await openColumnPolicy(settings.columns, { table, tableSchema, widening, writer });
  }

  /** Removes rows of a dropped collection. If the table cannot be used, leaves the collection out until it can. */
  async removeRows(namespace: Namespace, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isUnusableTable(error)) throw error;
      await this.#abandon(namespace);
      this.leftOut.add(namespace, error);
    }
  }

  async #dropRows(namespace: Namespace, newOwner: Namespace | undefined): Promise<void> {
    const stream = newOwner ? undefined : await this.sharer(namespace);
    if (stream) {
      this.#options.log.warn(
        "Rows of a collection that is gone stay: another stream writes to the table too",
        { stream },
      );
      return;
    }
    const applier = await this.of(namespace);
    if (newOwner) await applier.discardDeadLetters();
    else if (await applier.dropRows() && !this.#options.settings.worker) {
      this.#undropped.set(quoteTable(this.tableOf(namespace)), { namespace, applier });
      return;
    }
    await this.#followed.remove(namespace);
  }

  /** Leaves the table to another collection whose name may make the same. */
  async #close(namespace: Namespace): Promise<void> {
    const name = namespaceText(namespace);
    const entry = await this.#entries.get(name);
    if (!entry) return;
    const { applier } = entry;
    if (applier.dirty) await unlessUnusable(() => applier.refresh());
    this.#forget(namespace, applier);
  }

  #forget(namespace: Namespace, applier: TableApplier): void {
    this.#dirty.delete(applier);
    this.#entries.delete(namespaceText(namespace));
    this.#opener.release(namespace);
  }
}

/** What the work gives; undefined if it fails because the table cannot be used. */
async function unlessUnusable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isUnusableTable(error)) throw error;
    return undefined;
  }
}
