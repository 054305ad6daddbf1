/** Takes over a stream that was divided in another way: its rows are in the same tables, but its positions are useless. */
import { partsOfStream, siblingsOf, streamKey } from "../../key/stream_name.ts";
import type { Transport } from "../../sink/connection/transport.ts";
import { LEASE_MARGIN_MS } from "../../sink/metadata/lease.ts";
import { selectFromEach } from "../../sink/metadata/metadata_tables.ts";
import { readPosition } from "../../sink/metadata/saved_position.ts";
import type { StreamName } from "../../sink/metadata/stream_rows.ts";
import type { StreamPosition } from "../../sink/metadata/stream_position.ts";
import { quoteTable } from "../../sink/sql/names.ts";
import type { Clock } from "../../util/clock.ts";
import { UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { RelaySettings } from "../settings.ts";
import { fullSnapshot, snapshotStateText } from "../snapshot/snapshot_state.ts";

/** Whether two streams divide the same documents in different ways. */
export function isDividedOtherwise(stream: string, other: string): boolean {
  const [one, two] = [partsOfStream(stream), partsOfStream(other)];
  return streamKey(one.whole) === streamKey(two.whole) && one.part?.count !== two.part?.count;
}

/** The saved streams of the same documents that are divided in another way. */
export class DividedStreams {
  constructor(private readonly transport: Transport, private readonly names: StreamName) {}

  async others(): Promise<readonly string[]> {
    const tables = ["cdc_position", "cdc_collection"].map((name) => ({ schema: this.names.schema, name }));
    const streamsIn = (table: string) => `SELECT DISTINCT stream FROM ${table}`;
    const saved = (await selectFromEach(this.transport, tables, streamsIn)).map(([stream]) => String(stream));
    return [...new Set(saved)].filter((each) => isDividedOtherwise(each, this.names.stream)).sort();
  }

  async held(streams: readonly string[]): Promise<string | undefined> {
    for (const stream of streams) if ((await this.#position(stream))?.isHeld) return stream;
    return undefined;
  }

  /** Adds their collections to those of this stream, so that stale rows in their tables are found. */
  async inherit(streams: readonly string[]): Promise<void> {
    const { lists: [texts] } = this.transport.dialect;
    const table = this.#table("cdc_collection");
    const columns = '"database", collection, table_schema, table_name';
    await this.transport.query(
      `INSERT INTO ${table} (stream, ${columns}, state) (SELECT DISTINCT $1::text, ${columns}, 'waiting' FROM ${table} ` +
        `WHERE stream = ANY($2::${texts}) AND table_name IS NOT NULL) ` +
        'ON CONFLICT (stream, "database", collection) DO NOTHING',
      [this.names.stream, streams],
    );
  }

  /**
   * Deletes their positions, so that a frozen relay of theirs writes nothing more. Their collections are deleted when
   * each worker has begun.
   */
  async forget(streams: readonly string[]): Promise<void> {
    await this.#delete("cdc_position", streams);
    for (const stream of siblingsOf(this.names.stream)) {
      const position = await this.#position(stream);
      if (!position || position.token === null && position.snapshot === null) return;
    }
    await this.#delete("cdc_collection", streams);
  }

  #position(stream: string): ReturnType<typeof readPosition> {
    return readPosition(this.transport, { ...this.names, stream });
  }

  async #delete(name: string, streams: readonly string[]): Promise<void> {
    const { lists: [texts] } = this.transport.dialect;
    const sql = `DELETE FROM ${this.#table(name)} WHERE stream = ANY($1::${texts})`;
    await this.transport.query(sql, [streams], { writes: true });
  }

  #table(name: string): string {
    return quoteTable({ schema: this.names.schema, name });
  }
}

export interface DivisionDeps {
  readonly streams: Pick<DividedStreams, "others" | "held" | "inherit" | "forget">;
  readonly position: Pick<StreamPosition, "stream" | "state" | "save">;
  readonly settings: Pick<RelaySettings, "lease" | "onHeld">;
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock: Clock;
}

const POLL_INTERVAL_MS = 200;

/**
 * Waits until relays that divided the stream in another way stop, plans a snapshot that also deletes stale rows, and
 * deletes their positions. @throws UserError if one of them runs and `--on-held` is not `wait`
 */
export async function takeOverDivision(deps: DivisionDeps): Promise<void> {
  const { streams, position, log } = deps;
  const others = await streams.others();
  if (others.length === 0) return;
  await untilFree(others, deps);
  const { token, snapshot } = position.state;
  if (token === null && snapshot === null) {
    log.warn("The stream was divided in another way before: taking a new snapshot", {
      position: position.stream,
      before: others.join("; "),
    });
    await streams.inherit(others);
    await position.save({ snapshot: snapshotStateText(fullSnapshot({ removesStale: true })) });
  }
  await streams.forget(others);
}

async function untilFree(others: readonly string[], deps: DivisionDeps): Promise<void> {
  const { streams, settings: { lease, onHeld }, clock, signal, log } = deps;
  const until = onHeld === "wait" ? Infinity : clock.monotonic() + lease + LEASE_MARGIN_MS;
  let held = await streams.held(others);
  if (held) log.info("Waiting for a relay that divides the stream in another way", { other: held });
  for (; held; held = await streams.held(others)) {
    if (clock.monotonic() >= until) {
      throw new UserError(`Another relay follows the same documents, divided in another way: ${held}`, {
        hint: "Stop all relays of the stream before you change the number of workers.",
      });
    }
    await clock.wait(POLL_INTERVAL_MS, { signal });
  }
}
