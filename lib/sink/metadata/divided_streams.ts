/**
 * What is known of a stream that was divided in another way: by a relay for all documents, or by another number of
 * workers. Its rows are in the same tables, and its position is of no use any more.
 */
import { isDividedOtherwise, siblingsOf } from "../../key/worker.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";
import { readPosition } from "./saved_position.ts";

export interface DividedStreamsOptions {
  /** Of the relay's own tables. */
  readonly schema: string;
  readonly stream: string;
}

export class DividedStreams {
  readonly #transport: Transport;
  readonly #options: DividedStreamsOptions;

  constructor(transport: Transport, options: DividedStreamsOptions) {
    this.#transport = transport;
    this.#options = options;
  }

  /** The streams of the same documents that are divided in another way. */
  async others(): Promise<readonly string[]> {
    const known = await Promise.all([this.#streamsIn("cdc_position"), this.#streamsIn("cdc_collection")]);
    return [...new Set(known.flat())].filter((each) => isDividedOtherwise(each, this.#options.stream)).sort();
  }

  /** One of these that a relay follows now; undefined for none. */
  async held(streams: readonly string[]): Promise<string | undefined> {
    for (const stream of streams) {
      const position = await readPosition(this.#transport, { schema: this.#options.schema, stream });
      if (position?.isHeld) return stream;
    }
    return undefined;
  }

  /** Counts their collections among those of this stream: rows whose documents are gone are looked for in their tables. */
  async inherit(streams: readonly string[]): Promise<void> {
    const table = this.#table("cdc_collection");
    const columns = '"database", collection, table_schema, table_name';
    await this.#transport.query(
      `INSERT INTO ${table} (stream, ${columns}) (SELECT DISTINCT $1::text, ${columns} FROM ${table} ` +
        `WHERE stream = ANY($2::${this.#transport.dialect.lists[0]})) ` +
        'ON CONFLICT (stream, "database", collection) DO NOTHING',
      [this.#options.stream, streams],
    );
  }

  /**
   * Takes their positions away: a relay of theirs that was frozen writes nothing more. What they have followed is kept
   * until each worker has begun.
   */
  async forget(streams: readonly string[]): Promise<void> {
    await this.#delete("cdc_position", streams);
    const { schema, stream } = this.#options;
    for (const sibling of siblingsOf(stream)) {
      const position = await readPosition(this.#transport, { schema, stream: sibling });
      if (!position || position.token === null && position.snapshot === null) return;
    }
    await this.#delete("cdc_collection", streams);
  }

  async #streamsIn(name: string): Promise<string[]> {
    await refreshTable(this.#transport, { schema: this.#options.schema, name });
    const { rows } = await this.#transport.query(`SELECT DISTINCT stream FROM ${this.#table(name)}`);
    return rows.map(([stream]) => String(stream));
  }

  async #delete(name: string, streams: readonly string[]): Promise<void> {
    await this.#transport.query(
      `DELETE FROM ${this.#table(name)} WHERE stream = ANY($1::${this.#transport.dialect.lists[0]})`,
      [streams],
      { writes: true },
    );
  }

  #table(name: string): string {
    return quoteTable({ schema: this.#options.schema, name });
  }
}
