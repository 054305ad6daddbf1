/** The collections that a relay follows, with their states and tables. */
import type { Transports } from "../../sink/columns/rebuild.ts";
import { SinkError } from "../../sink/connection/sink_error.ts";
import { SavedCollections } from "../../sink/metadata/saved_collections.ts";
import { quoteTable } from "../../sink/sql/names.ts";
import { isUnusableTable } from "../../sink/table/unusable_table.ts";
import type { CausalReader } from "../../source/connection/causal_reader.ts";
import { concurrently } from "../../util/concurrency.ts";
import { byNamespace, type Namespace } from "../../util/namespace.ts";
import type { OutageTracker } from "../../util/outage.ts";
import type { RelaySettings } from "../settings.ts";
import { type Counts, NO_COUNTS, sumOf, type TableWrite } from "../status/events.ts";
import { type Collection, failure, unlessUnusable } from "./collection.ts";
import { CollectionOpener, type OpenerDeps } from "./collection_opener.ts";
import type { Requeued, StateChange } from "./collection_state.ts";
import { CollectionStates } from "./collection_states.ts";
import { Drops } from "./drops.ts";
import type { TableApplier } from "./table_applier.ts";
import { TableOwners } from "./table_owners.ts";

export interface CollectionsOptions
  extends Omit<OpenerDeps, "owners" | "saved" | "isStarting" | "isFollowing"> {
  readonly settings: OpenerDeps["settings"] & Pick<RelaySettings, "scope">;
  readonly causalReader: Pick<CausalReader, "exists" | "time">;
}

/** Tables that are worked on at once. */
export const TABLES_AT_ONCE = 4;
/** Between two tries of what waits for a backup of CrateDB. */
const PUT_OFF_INTERVAL_MS = 5_000;

export class Collections {
  readonly states: CollectionStates;
  readonly #saved: SavedCollections;
  readonly #opener: CollectionOpener;
  readonly #drops: Drops;
  #putOffTriedAt = 0;
  /** Rows of all tables since the start, also of closed ones. */
  counts: Counts = NO_COUNTS;

  constructor(transports: Transports, private readonly options: CollectionsOptions) {
    const { names: { stream, metadataSchema: schema } } = options;
    const owners = new TableOwners(options.causalReader);
    const saved = new SavedCollections(transports.patient, { schema, stream });
    this.#saved = saved;
    this.#opener = new CollectionOpener(transports, {
      ...options,
      owners,
      saved,
      isStarting: () => !this.states.hasStarted,
      isFollowing: (namespace) => this.states.find(namespace)?.state.name === "following",
      emit: (event) => {
        if (event.type === "tableWritten") this.#onWritten(event);
        options.emit(event);
      },
    });
    this.states = new CollectionStates({ ...options, saved, opener: this.#opener });
    this.#drops = new Drops({ ...options, transports, owners, saved, states: this.states });
  }

  /** Collections whose changes are skipped. Each needs a snapshot: save that with the position. */
  get skipped(): readonly Requeued[] {
    return this.states.skipped.map(({ requeued }) => ({ ...requeued, skipped: true }));
  }

  isSkipped(namespace: Namespace): boolean {
    return this.states.find(namespace)?.isSkipped === true;
  }

  /** Another stream that writes to the collection's table; undefined for none. */
  sharer(namespace: Namespace): Promise<string | undefined> {
    return this.#saved.sharer(namespace, this.#opener.tableOf(namespace));
  }

  /** Collections with rows that are not among these, except those whose table one of these has. */
  async missing(namespaces: readonly Namespace[]): Promise<Namespace[]> {
    const nameOf = (each: Namespace) => quoteTable(this.#opener.tableOf(each));
    const taken = new Set(namespaces.map(nameOf));
    return (await this.#saved.list()).filter((each) => each.table && !taken.has(nameOf(each)));
  }

  /** Whether this stream had tables before, which may have stale rows. */
  async hadTables(): Promise<boolean> {
    return (await this.#saved.list()).some(({ table }) => table);
  }

  /** Other streams with a running relay that write collections of this one to the same tables. */
  overlaps(): ReturnType<SavedCollections["overlaps"]> {
    return this.#saved.overlaps();
  }

  /**
   * Opens the tables of these collections, except paused ones. Collections whose tables cannot be used become `failed`.
   *
   * @returns the collections whose tables were dropped since they were filled, or are others than before: each needs a
   * snapshot, after which {@linkcode recordTables} may be called. Other tables may have rows of others, which stay.
   * @throws the error of the first table if none can be used
   */
  async openAll(namespaces: readonly Namespace[]): Promise<Requeued[]> {
    await this.states.load(namespaces);
    const collections = namespaces.map((each) => this.states.get(each))
      .filter(({ isSkipped, opened }) => !isSkipped && !opened);
    const failures: (readonly [Collection, unknown])[] = [];
    await concurrently(collections, TABLES_AT_ONCE, async (collection) => {
      this.options.signal.throwIfAborted();
      try {
        await collection.open();
      } catch (error) {
        if (!isUnusableTable(error)) throw error;
        failures.push([collection, error]);
      }
    });
    const [first] = failures;
    if (first && !this.states.all.some(({ opened }) => opened)) throw first[1];
    for (const [collection, error] of failures) await this.#fail(collection, error);
    return collections.flatMap(({ opened, namespace }) =>
      opened?.isMoved ? [{ ...namespace, keepsStale: true }] : opened?.wasDropped ? [namespace] : []
    );
  }

  /** Records the tables of collections that had others before. Call it when the snapshots that they need are saved. */
  async recordTables(namespaces: readonly Namespace[]): Promise<void> {
    for (const each of namespaces) {
      if (await this.#opener.isMoved(each)) await this.#saved.setTable(each, this.#opener.tableOf(each));
    }
  }

  /**
   * The applier of a collection. Opens its table, and creates it if it is missing.
   *
   * @throws UnusableTableError, SinkError if the table cannot be used, see {@linkcode isUnusableTable}
   */
  async of(namespace: Namespace): Promise<TableApplier> {
    const collection = this.states.get(namespace);
    const { applier } = await collection.open();
    if (this.states.hasStarted) collection.follow();
    return applier;
  }

  /**
   * Works on the table of a collection, unless its changes are skipped. If the table cannot be used, the collection
   * becomes `failed`. If the relay follows this collection alone, the error ends the relay instead: no other collection
   * waits, and the next start resumes before the rows that were not written.
   *
   * @returns whether the work is done
   * @throws other errors
   */
  async attempt(namespace: Namespace, work: () => Promise<unknown>): Promise<boolean> {
    if (this.isSkipped(namespace)) return false;
    try {
      await work();
      return true;
    } catch (error) {
      await this.#fail(this.states.get(namespace), error);
      return false;
    }
  }

  /** Groups changes by collection and works on several collections at once. Skips those of skipped collections. */
  async forEachCollection<T extends { readonly namespace: Namespace }>(
    changes: readonly T[],
    work: (group: { namespace: Namespace; changes: readonly T[]; applier: TableApplier }) => Promise<void>,
  ): Promise<void> {
    await concurrently(byNamespace(changes), TABLES_AT_ONCE, async (changes) => {
      const namespace = changes[0]?.namespace;
      if (!namespace) return;
      const apply = async () => await work({ namespace, changes, applier: await this.of(namespace) });
      await this.attempt(namespace, apply);
    });
  }

  async refresh(): Promise<void> {
    const dirty = this.states.all.filter(({ opened }) => opened?.applier.dirty).toArray();
    await concurrently(dirty, TABLES_AT_ONCE, async ({ namespace, opened }) => {
      await this.attempt(namespace, async () => await opened?.applier.refresh());
    });
  }

  /**
   * Retries failed collections, what waits for a backup of CrateDB, and dead letters that fit new columns; drops expired partitions, and saves states, each
   * when it is due. Apply nothing else while it runs. Returns the collections that can be followed again: each needs a snapshot.
   */
  async maintain(): Promise<readonly Requeued[]> {
    await this.#retryPutOff();
    const due = this.states.due(TABLES_AT_ONCE);
    const usable = await concurrently(due, TABLES_AT_ONCE, (collection) => this.#retry(collection));
    await this.states.saveIfDue();
    return usable.flat();
  }

  /** Skips the changes of a collection from now on; its rows stay. Apply nothing else while it runs. */
  async pause(namespace: Namespace, reason?: string): Promise<void> {
    const collection = this.states.get(namespace);
    await collection.close();
    await this.#skip(collection, { what: "paused", ...reason !== undefined && { reason } });
    await this.states.save();
  }

  /** @returns the collection, which needs a snapshot; undefined if it is not paused */
  resume(namespace: Namespace): Requeued | undefined {
    const collection = this.states.find(namespace);
    if (collection?.state.name !== "paused") return undefined;
    collection.move({ what: "resumed" });
    return collection.requeued;
  }

  /** Has {@linkcode maintain} retry a failed collection the next time. @returns whether it has failed */
  retry(namespace: Namespace): boolean {
    const collection = this.states.find(namespace);
    if (collection?.state.name !== "failed") return false;
    collection.retryAt = -Infinity;
    return true;
  }

  /** Applies `--on-drop` to the rows of a collection that was dropped or renamed, see {@linkcode Drops.drop}. */
  drop(namespace: Namespace): Promise<Namespace | undefined> {
    return this.#drops.drop(this.states.get(namespace));
  }

  /** Opens the table again: the shard key has changed, or another relay may have dropped the table. */
  reopen(namespace: Namespace): Promise<void> {
    return this.states.get(namespace).close();
  }

  /** Drops the emptied tables of dropped collections that a backup of CrateDB kept when the last run ended. */
  async resumeDrops(namespaces: readonly Namespace[]): Promise<void> {
    await this.#drops.resume((await this.missing(namespaces)).map((each) => this.states.get(each)));
  }

  /** The collections of a database whose tables are open or whose changes are skipped. */
  openIn(database: string): Namespace[] {
    return this.states.all.filter(({ opened, isSkipped }) => opened || isSkipped)
      .map(({ namespace }) => namespace).filter((each) => each.database === database).toArray();
  }

  /**
   * Finishes column changes of relays that have died, in intervals: while statements fail, for example in a table that is
   * closed to writing, and while another relay was changing columns at the opening.
   */
  recoverDuring(outages: OutageTracker, fail: (error: unknown) => void): Disposable {
    let isBusy = false;
    const recover = async () => {
      if (isBusy) return;
      isBusy = true;
      try {
        const all = outages.active;
        for (const { opened } of [...this.states.all]) {
          if (!opened || !all && !opened.isUnrecovered) continue;
          if (!await unlessUnusable(() => opened.columns.recover())) opened.isUnrecovered = false;
        }
      } catch (error) {
        fail(error);
      } finally {
        isBusy = false;
      }
    };
    const timer = setInterval(recover, this.options.settings.lease / 3);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  #onWritten({ namespace, ...counts }: TableWrite): void {
    this.counts = sumOf(this.counts, counts);
    this.states.count(namespace, { rows: counts.upserts + counts.deletes });
  }

  /** @throws the error if it is not of one table, or if the relay follows this collection alone */
  async #fail(collection: Collection, error: unknown): Promise<void> {
    if (!isUnusableTable(error)) throw error;
    collection.abandon();
    if (collection.isSkipped) return;
    if (this.options.settings.scope.level === "collection") throw error;
    await this.#skip(collection, failure(error));
  }

  /** A collection that never had rows has no stale ones; rows of others in its table follow `--on-drop`. */
  async #skip(collection: Collection, change: StateChange): Promise<void> {
    const { namespace } = collection;
    const hasRows = await this.#saved.has(namespace) && !await this.#opener.isMoved(namespace);
    if (!collection.isSkipped) collection.keepsStale = !hasRows;
    collection.move(change);
  }

  /** Retries a failed collection. If it was dropped since it failed, its rows follow `--on-drop`. */
  async #retry(collection: Collection): Promise<readonly Requeued[]> {
    const { namespace, name } = collection;
    this.states.retryLater(collection);
    let exists: boolean;
    try {
      exists = await this.options.causalReader.exists(namespace);
      if (!exists && this.#drops.leavesRows(collection)) return [];
      await this.#opener.probe(namespace);
      if (exists) await collection.open();
    } catch (error) {
      if (isUnusableTable(error)) collection.move(failure(error));
      else if (!(error instanceof SinkError)) throw error;
      return [];
    }
    if (!exists) return [await this.drop(namespace)].filter((each) => each !== undefined);
    collection.move({ what: "usable again" });
    this.options.log.info("The table of a failed collection can be used again: taking a snapshot of it", {
      collection: name,
    });
    return [collection.requeued];
  }

  async #retryPutOff(): Promise<void> {
    const now = this.options.clock.monotonic();
    if (now - this.#putOffTriedAt < PUT_OFF_INTERVAL_MS) return;
    this.#putOffTriedAt = now;
    for (const { namespace, opened } of [...this.states.all]) {
      if (!opened) continue;
      await this.attempt(namespace, async () => {
        await opened.columns.retryPutOff();
        await opened.applier.dropExpired();
        await opened.applier.retryFitting();
      });
    }
    await this.#drops.finish();
  }
}
