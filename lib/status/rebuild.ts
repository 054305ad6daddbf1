/** `rebuild`: writes the table of a collection again, by the design in its settings. MongoDB is not read. */
import { partsOfStream } from "../key/stream_name.ts";
import { firstKeptNow } from "../mapping/partition.ts";
import { checkName } from "../pipeline/collections/collection_opener.ts";
import type { RelaySettings } from "../pipeline/settings.ts";
import { Rebuilder } from "../sink/columns/rebuild.ts";
import { redesigned } from "../sink/columns/redesign.ts";
import { TableSchema } from "../sink/columns/table_schema.ts";
import { countingWrites } from "../sink/connection/lost_writes.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import { queryNumber, type Transport } from "../sink/connection/transport.ts";
import { fenced, retrying } from "../sink/connection/wrappers.ts";
import { type Lease, leaseOfStream } from "../sink/metadata/lease.ts";
import { readPositions, savedName } from "../sink/metadata/saved_position.ts";
import { quoteTable, tableFor } from "../sink/sql/names.ts";
import { tableExists } from "../sink/table/create_table.ts";
import { dropLiveView, needsCdc } from "../sink/table/cdc_column.ts";
import { existingTable } from "../sink/table/target_table.ts";
import type { Clock } from "../util/clock.ts";
import { UsageError, UserError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { type Namespace, namespaceText } from "../util/namespace.ts";
import { type OutageEvent, OutageTracker } from "../util/outage.ts";
import { Shutdown } from "../util/shutdown.ts";
import { durationText } from "../util/text.ts";

export interface RebuildSettings {
  readonly relay: RelaySettings;
  readonly collection: Namespace;
}

export interface RebuildContext {
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
  readonly emit: (event: OutageEvent) => void;
}

export interface Rebuilt {
  readonly table: string;
  readonly rows: number;
  readonly ms: number;
}

/** @throws UserError while a relay follows the stream or CrateDB takes a snapshot, and for a table that cannot be rebuilt */
export async function rebuild(settings: RebuildSettings, context: RebuildContext): Promise<Rebuilt> {
  const { relay } = settings;
  const { signal, log, clock, emit } = context;
  using shutdown = new Shutdown(signal);
  await using closing = new AsyncDisposableStack();
  const opened = closing.use(await shutdown.limit(openTransport(relay.sink, { log })));
  const raw = closing.use(countingWrites(opened, { clock, log }));
  const outages = new OutageTracker({ system: raw.dialect.name, emit });
  const retries = { shutdown, outages, retryFor: relay.retryFor };
  const leases = await takeLeases(retrying(raw, retries), settings, context);
  for (const lease of leases) closing.use(lease);
  for (const lease of leases) closing.use(lease.keep());
  const check = async () => {
    for (const lease of leases) await lease.check();
  };
  const checked = fenced(raw, check, raw);
  return await rebuildTable({ raw: checked, patient: retrying(checked, retries) }, settings, context);
}

/** The leases of the stream and its workers. Waits for those of dead relays. @throws LeaseHeldError for a live one */
async function takeLeases(
  transport: Transport,
  { relay }: RebuildSettings,
  { signal, log, clock }: RebuildContext,
): Promise<readonly Lease<never>[]> {
  const { metadataSchema: schema, stream } = relay.namesIn(transport.dialect.schema ?? relay.sink.schema);
  const table = { schema, name: "cdc_position" };
  if (!await tableExists(transport, table)) return [];
  const { whole } = partsOfStream(await savedName(transport, { schema, stream }));
  const positions = await readPositions(transport, { tables: [table], stream: whole });
  const leases: Lease<never>[] = [];
  for (const { stream } of positions) {
    const lease = leaseOfStream(transport, { schema, stream, lease: relay.lease, clock });
    await lease.acquire({
      signal,
      onWait: (owner, left_ms) => log.info("Waiting for the lease of a relay to expire", { owner, left_ms }),
    });
    leases.push(lease);
  }
  return leases;
}

/** Rebuilds the table. No relay may follow its stream at the same time. */
export async function rebuildTable(
  transports: { readonly patient: Transport; readonly raw: Transport },
  { relay, collection }: RebuildSettings,
  { signal, log, clock }: Pick<RebuildContext, "signal" | "log" | "clock">,
): Promise<Rebuilt> {
  const { patient: transport } = transports;
  const { dialect } = transport;
  if (dialect.isJsonb) {
    throw new UsageError(
      `rebuild needs CrateDB: the server is ${dialect.name}, whose tables have no design.`,
    );
  }
  const names = relay.namesIn(dialect.schema ?? relay.sink.schema);
  const name = tableFor(names.tableOf(collection), collection, dialect);
  checkName(name, collection);
  const table = await existingTable(transport, name, { hasAnyParts: true });
  if (!table) {
    throw new UsageError(`Table ${quoteTable(name)} does not exist: ${namespaceText(collection)}`, {
      hint: "The relay creates it. Check --table and the schema in CRATEDB_URL.",
    });
  }
  const design = relay.for(collection);
  const options = { ...relay, limits: relay, table, signal, log, clock };
  const needed = ["oid", "data"];
  const tableSchema = new TableSchema(transport, { table, inferred: false, log, needed });
  const rebuilder = new Rebuilder(transports, { ...options, tableSchema });
  let ms: number | undefined;
  const firstKept = firstKeptNow(design, clock.now());
  const redesign = { design, firstKept, onDone: (each: number) => ms = each };
  const failure = await rebuilder.rebuild(() =>
    Promise.resolve(redesigned(table, tableSchema.definition, redesign))
  );
  if (ms === undefined) {
    throw new UserError(
      `Table ${quoteTable(table)} was not rebuilt: ${failure?.reason ?? "it was stopped"}`,
      {
        hint:
          "The table is as it was. Remove the cause, and run rebuild again. A snapshot of CrateDB has to end first.",
      },
    );
  }
  if (table.cdc && !needsCdc(design)) await dropLiveView(transport, table);
  const rows = await queryNumber(transport, `SELECT count(*) FROM ${quoteTable(table)}`);
  return { table: quoteTable(table), rows, ms };
}

/** @example OUT: Rebuilt "shop"."orders": 1200 rows in 3 s. Check it: verify, with the same options */
export const rebuiltText = ({ table, rows, ms }: Rebuilt): string =>
  `Rebuilt ${table}: ${rows} rows in ${durationText(ms)}. Check it: verify, with the same options`;
