/** `forget`: deletes the rows of a stream in the relay's own tables. Tables with documents stay. */
import { isStreamOf } from "../key/stream_name.ts";
import { openTransport } from "../sink/connection/open_transport.ts";
import type { Transport } from "../sink/connection/transport.ts";
import type { SinkAddress } from "../sink/connection/url.ts";
import { fenced } from "../sink/connection/wrappers.ts";
import { type Lease, leaseOfStream } from "../sink/metadata/lease.ts";
import type { MetadataTable } from "../sink/metadata/metadata_tables.ts";
import { tableExists } from "../sink/table/create_table.ts";
import {
  countRecords,
  knownStreams,
  recordsOf,
  removeRecords,
  type StreamRecords,
  wholeStreams,
} from "../sink/metadata/stream_records.ts";
import type { StreamName } from "../sink/metadata/stream_rows.ts";
import { quoteTable } from "../sink/sql/names.ts";
import type { Clock } from "../util/clock.ts";
import { durationText } from "../util/text.ts";
import { UsageError, UserError } from "../util/errors.ts";
import { absenceText, type Viewer, viewerOf } from "./absence.ts";

export interface ForgetSettings {
  readonly sink: SinkAddress;
  /** The stream with all its workers, or one worker; undefined for the only stream. */
  readonly stream: string | undefined;
}

export interface ForgetContext {
  readonly clock: Clock;
  /** Asks whether to delete these. */
  readonly confirm: (kept: Kept) => Promise<boolean>;
}

export interface Kept {
  readonly streams: readonly StreamName[];
  /** Number of rows per table. */
  readonly rows: Readonly<Partial<Record<MetadataTable, number>>>;
}

/** After a crash of `forget`, the streams are free after this time. */
const LEASE_MS = 10_000;
const POSITIONS = "cdc_position";

/** Returns what was deleted; undefined if not confirmed. */
export async function forget(settings: ForgetSettings, context: ForgetContext): Promise<Kept | undefined> {
  const { sink, stream: name } = settings;
  await using transport = await openTransport(sink);
  const schema = transport.dialect.schema ?? sink.schema;
  const known = await knownStreams(transport);
  const streams = chooseStreams(known, { name, schema, viewer: await viewerOf(transport) });
  return await forgetStreams(transport, streams, context);
}

/**
 * The stream of that name with all its workers, or the only stream. Of several schemas, the default one wins.
 * @throws UsageError if none or several match
 */
export function chooseStreams(
  known: readonly StreamName[],
  { name, schema, viewer }: { name: string | undefined; schema: string; viewer: Viewer },
): readonly StreamName[] {
  const matching = known.filter(({ stream }) => name === undefined || isStreamOf(stream, name));
  if (matching.length === 0) {
    const existing = known.map(({ stream }) => stream);
    const [first = "", ...rest] = absenceText({ ...viewer, wanted: name, existing, schema });
    throw new UsageError(first, { hint: rest.join("\n") });
  }
  const wholes = wholeStreams(matching);
  if (name === undefined && wholes.length > 1) {
    const hint = ["These exist:", ...wholes.map((each) => `  ${each}`)].join("\n");
    throw new UsageError("Several streams exist, and --stream does not name one.", { hint });
  }
  const schemas = [...new Set(matching.map((each) => each.schema))];
  const chosen = schemas.length > 1 ? schemas.find((each) => each === schema) : schemas[0];
  if (chosen === undefined) {
    const hint = "Name one of them as the schema in CRATEDB_URL, e.g. crate://host:4200/?schema=shop";
    throw new UsageError(`Several schemas have this stream: ${schemas.join(", ")}`, { hint });
  }
  return matching.filter((each) => each.schema === chosen);
}

/** Deletes nothing and throws a UserError while a relay follows one of the streams. */
export async function forgetStreams(
  transport: Transport,
  streams: readonly StreamName[],
  { clock, confirm }: ForgetContext,
): Promise<Kept | undefined> {
  const positions: StreamName[] = [];
  for (const stream of streams) if (await hasFreePosition(transport, stream)) positions.push(stream);
  const records = await recordsOf(transport, streams);
  if (!await confirm({ streams, rows: await sumOf(records, (each) => countRecords(transport, each)) })) {
    return undefined;
  }
  await using leases = new AsyncDisposableStack();
  const held: Lease<never>[] = [];
  for (const stream of positions) held.push(leases.use(await leaseOf(transport, stream, clock)));
  const lost = new AbortController();
  using renewals = new DisposableStack();
  for (const lease of held) renewals.use(lease.keep((error) => lost.abort(error)));
  const guarded = fenced(transport, async () => {
    lost.signal.throwIfAborted();
    for (const lease of held) await lease.check();
  });
  // The relay may have added rows before the answer.
  const found = await recordsOf(transport, streams);
  const rows = await sumOf(
    found.filter(({ name }) => name !== POSITIONS),
    (each) => removeRecords(guarded, each),
  );
  // A DELETE skips a position that is renewed at the same time, and a deleted position cannot be renewed.
  renewals.dispose();
  await Promise.all(held.map((lease) => lease.renew()));
  lost.signal.throwIfAborted();
  const ofPositions = found.filter(({ name }) => name === POSITIONS);
  const positionRows = await sumOf(ofPositions, (each) => removeRecords(transport, each));
  return { streams, rows: { ...rows, ...positionRows } };
}

async function sumOf(
  records: readonly StreamRecords[],
  count: (records: StreamRecords) => Promise<number>,
): Promise<Kept["rows"]> {
  const rows: Partial<Record<MetadataTable, number>> = {};
  for (const each of records) rows[each.name] = (rows[each.name] ?? 0) + await count(each);
  return rows;
}

async function leaseOf(transport: Transport, name: StreamName, clock: Clock): Promise<Lease<never>> {
  const { schema, stream } = name;
  const lease = leaseOfStream(transport, { schema, stream, lease: LEASE_MS, clock });
  if (await lease.tryAcquire()) return lease;
  await hasFreePosition(transport, name);
  throw heldBy(null, stream, 0);
}

/** Whether the stream has a position. @throws UserError while a relay holds it */
async function hasFreePosition(transport: Transport, { schema, stream }: StreamName): Promise<boolean> {
  const { dialect: { millis, now } } = transport;
  const table = { schema, name: POSITIONS };
  if (!await tableExists(transport, table)) return false;
  const { rows: [row] } = await transport.query(
    `SELECT owner, ${millis("lease_until")} - ${now} FROM ${quoteTable(table)} WHERE stream = $1`,
    [stream],
  );
  const [owner = null, left = null] = row ?? [];
  if (Number(left ?? 0) > 0) throw heldBy(owner as string | null, stream, Number(left));
  return row !== undefined;
}

const heldBy = (owner: string | null, stream: string, left: number): UserError =>
  new UserError(`A relay (${owner}) still follows this stream: ${stream}`, {
    hint: `Stop it first. If it was killed, its lease expires in ${durationText(left)}.`,
  });
