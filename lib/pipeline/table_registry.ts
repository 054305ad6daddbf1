/** The table of each collection, opened when its first document arrives. */
import type { Names, RelaySettings } from "./settings.ts";
import { UserError } from "../util/errors.ts";
import { type Counts, TableApplier } from "./table_applier.ts";
import { concurrently } from "../util/concurrently.ts";
import type { Logger } from "../util/log.ts";
import { retry } from "../util/retry.ts";
import { DeadLetters } from "../sink/metadata/dead_letters.ts";
import { type Columns, JSONB } from "../sink/table/column_policy.ts";
import { TableSchema } from "../sink/table/table_schema.ts";
import { FollowedCollections } from "../sink/metadata/followed_collections.ts";
import { quoteTable, type TableName } from "../sink/table/sql_names.ts";
import { tableFor } from "../sink/table/table_naming.ts";
import { isMetadataTable } from "../sink/metadata/metadata_tables.ts";
import { Position } from "../sink/metadata/stream_position.ts";
import { openTable, type TargetTable } from "../sink/table/target_table.ts";
import { isRetryable } from "../sink/connection/sink_error.ts";
import type { Transport } from "../sink/connection/transport.ts";
import { Widening } from "../sink/widening/widening.ts";
import { Writer } from "../sink/table/writer.ts";
import type { CausalReader } from "../source/causal_reader.ts";
import { type Namespace, namespaceText } from "../namespace.ts";

export interface TableRegistryOptions {
  readonly names: Names;
  readonly config: RelaySettings;
  readonly causalReader: CausalReader;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

interface Target {
  readonly landing: TableApplier;
  readonly widening: Widens;
}

type Widens = Pick<Widening, "widen" | "recover" | "lockName">;

/** JSONB takes every value as it is. */
const NEVER: Widens = { widen: () => Promise.resolve(false), recover: async () => {}, lockName: "" };

/** Tables that are worked on at once. */
const AT_ONCE = 4;

export class TableRegistry {
  /** Waits for a sink that is away; the plain one doesn't. */
  readonly #transports: { readonly patient: Transport; readonly plain: Transport };
  readonly #options: TableRegistryOptions;
  readonly #targets = new Map<string, Promise<Target>>();
  /** The collection of each table, by the table's name. */
  readonly #owners = new Map<string, Namespace>();
  readonly #closed: Counts[] = [];
  /** Collections that had rows, and whose tables were not there. */
  readonly #emptied: Namespace[] = [];
  readonly #followed: FollowedCollections;

  constructor(transports: { patient: Transport; plain: Transport }, options: TableRegistryOptions) {
    this.#transports = transports;
    this.#options = options;
    const { stream, metadataSchema: schema } = options.names;
    this.#followed = new FollowedCollections(transports.patient, { schema, stream });
  }

  /** @throws UserError when the table cannot be used, or is that of another collection which is there too */
  async of(namespace: Namespace): Promise<TableApplier> {
    const name = namespaceText(namespace);
    let target = this.#targets.get(name);
    if (!target) this.#targets.set(name, target = this.#open(namespace));
    return (await target).landing;
  }

  tableOf(namespace: Namespace): TableName {
    const { dialect } = this.#transports.plain;
    return tableFor(this.#options.names.tableOf(namespace), namespace, dialect);
  }

  /** Another stream that writes to the collection's table, where there is one. */
  sharer(namespace: Namespace): Promise<string | undefined> {
    return this.#followed.sharer(namespace, this.tableOf(namespace));
  }

  /** Collections that were followed and are not among these; those are left out whose table one of these has. */
  async missing(namespaces: readonly Namespace[]): Promise<Namespace[]> {
    const taken = new Set(namespaces.map((each) => quoteTable(this.tableOf(each))));
    return (await this.#followed.list()).filter((each) => !taken.has(quoteTable(this.tableOf(each))));
  }

  /** Whether this stream had tables before; in those there may be rows whose documents are gone. */
  async hadTables(): Promise<boolean> {
    return (await this.#followed.list()).length > 0;
  }

  async openAll(namespaces: readonly Namespace[]): Promise<void> {
    await concurrently(namespaces, AT_ONCE, (namespace) => {
      this.#options.signal.throwIfAborted();
      return this.of(namespace);
    });
    await this.#recover();
  }

  /** Collections whose tables somebody has dropped; they are empty now. */
  get emptied(): readonly Namespace[] {
    return this.#emptied;
  }

  /** Groups changes by their collection and has them worked on, several collections at once. */
  async eachOf<T extends { readonly namespace: Namespace }>(
    changes: readonly T[],
    work: (namespace: Namespace, changes: readonly T[], landing: TableApplier) => Promise<void>,
  ): Promise<void> {
    const groups = Map.groupBy(changes, ({ namespace }) => namespaceText(namespace));
    await concurrently(groups.values(), AT_ONCE, async (group) => {
      const [first] = group;
      if (first) await work(first.namespace, group, await this.of(first.namespace));
    });
  }

  /**
   * Rows of a collection that was dropped or renamed follow `--on-drop`. What was never followed, a view for
   * instance, has no rows here, whatever table has its name.
   *
   * @returns another collection that has the table by now; the table is left to it, to be copied again
   */
  async gone(namespace: Namespace): Promise<Namespace | undefined> {
    const heir = await this.#heirOf(namespace);
    const isKnown = this.#targets.has(namespaceText(namespace)) || await this.#followed.has(namespace);
    if (isKnown && this.#options.config.onDrop !== "keep") await this.#remove(namespace, heir);
    await this.#close(namespace);
    return heir;
  }

  async #remove(namespace: Namespace, heir: Namespace | undefined): Promise<void> {
    const stream = heir ? undefined : await this.sharer(namespace);
    if (stream) {
      this.#options.log.warn(
        "Rows of a collection that is gone stay: another stream writes to the table too",
        {
          stream,
        },
      );
      return;
    }
    const landing = await this.of(namespace);
    await (heir ? landing.forget() : landing.gone());
    await this.#followed.remove(namespace);
  }

  async #heirOf(namespace: Namespace): Promise<Namespace | undefined> {
    const owner = this.#owners.get(quoteTable(this.tableOf(namespace)));
    const isOther = owner !== undefined && namespaceText(owner) !== namespaceText(namespace);
    return isOther && await this.#options.causalReader.exists(owner) ? owner : undefined;
  }

  /** Leaves the table to another collection whose name may make the same. */
  async #close(namespace: Namespace): Promise<void> {
    const name = namespaceText(namespace);
    const target = await this.#targets.get(name);
    if (!target) return;
    const { landing } = target;
    if (landing.dirty) await landing.refresh();
    this.#closed.push(landing.counts);
    this.#targets.delete(name);
    const table = quoteTable(this.tableOf(namespace));
    const owner = this.#owners.get(table);
    if (owner && namespaceText(owner) === name) this.#owners.delete(table);
  }

  /** The collections of a database that have been seen; see {@linkcode gone}. */
  async goneWith(database: string): Promise<Namespace[]> {
    const heirs: Namespace[] = [];
    for (const name of [...this.#targets.keys()]) {
      if (!name.startsWith(`${database}.`)) continue;
      const heir = await this.gone({ database, collection: name.slice(database.length + 1) });
      if (heir) heirs.push(heir);
    }
    return heirs;
  }

  /** Makes what was written visible to queries. */
  async refresh(): Promise<void> {
    const landings = await this.#landings();
    await concurrently(landings.filter(({ dirty }) => dirty), AT_ONCE, (landing) => landing.refresh());
  }

  /** Looks from time to time for what a relay that died has left, since it may keep others from writing. */
  watch(failed: (error: unknown) => void): Disposable {
    let looking = false;
    const look = async () => {
      if (looking) return;
      looking = true;
      await this.#recover().catch(failed);
      looking = false;
    };
    const timer = setInterval(look, this.#options.config.lease / 3);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  async #recover(): Promise<void> {
    const unfinished = (await this.#streams()).filter(({ hasToken }) => hasToken);
    const names = new Set(unfinished.map(({ stream }) => stream));
    for (const { widening } of await Promise.all(this.#targets.values())) {
      if (names.has(widening.lockName)) await widening.recover();
    }
  }

  #streams(): ReturnType<typeof Position.list> {
    const { signal, log, config: { retryFor } } = this.#options;
    const options = { signal, log, retryFor, what: "CrateDB", isRetryable };
    return retry(() => Position.list(this.#transports.plain), options);
  }

  async counts(): Promise<Counts> {
    const total: Counts = { upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0 };
    for (const counts of [...this.#closed, ...(await this.#landings()).map(({ counts }) => counts)]) {
      for (const name of Object.keys(total) as (keyof Counts)[]) total[name] += counts[name];
    }
    return total;
  }

  async #landings(): Promise<TableApplier[]> {
    return (await Promise.all(this.#targets.values())).map(({ landing }) => landing);
  }

  #columnsOf(table: TargetTable): [Columns, Widens] {
    const { config, log, signal } = this.#options;
    const { patient } = this.#transports;
    if (patient.dialect.name === "PostgreSQL") return [JSONB, NEVER];
    const tableSchema = new TableSchema(patient, { table, log, inferred: config.columns === "dynamic" });
    return [tableSchema, new Widening(this.#transports, { ...config, table, tableSchema, signal, log })];
  }

  async #open(namespace: Namespace): Promise<Target> {
    const { names, config, log } = this.#options;
    const { patient } = this.#transports;
    const name = this.tableOf(namespace);
    const stream = `${namespaceText(namespace)} -> ${name.schema}.${name.name}`;
    if (isMetadataTable(name.name)) {
      throw new UserError(
        `${quoteTable(name)} is a name of the relay's own tables: ${namespaceText(namespace)}`,
        {
          hint: "Give the collection another table with --table, or leave it out with --exclude.",
        },
      );
    }
    await this.#own(namespace, name);
    const isKnown = await this.#followed.add(namespace, name);
    const table = await openTable(patient, { table: name, columns: config.columns });
    if (isKnown && table.isNew) this.#emptied.push(namespace);
    const [tableSchema, widening] = this.#columnsOf(table);
    const deadLetters = await DeadLetters.open(patient, { schema: names.metadataSchema, stream });
    const writer = new Writer(patient, table, config);
    const landing = new TableApplier({ table, tableSchema, widening, writer, deadLetters, config, log });
    await landing.open();
    return { landing, widening };
  }

  /** Of collections with one table, the living one owns it; events of others are from before. */
  async #own(namespace: Namespace, name: TableName): Promise<void> {
    const { causalReader } = this.#options;
    const table = quoteTable(name);
    const owner = this.#owners.get(table);
    if (owner && !await causalReader.exists(namespace)) return;
    if (owner && await causalReader.exists(owner)) {
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
}
