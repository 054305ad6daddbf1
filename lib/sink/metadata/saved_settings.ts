/** The table `cdc_settings`: with which settings of a file the rows of a stream were written. */
import type { Transport } from "../connection/transport.ts";
import { prepareTable } from "./metadata_tables.ts";
import { type StreamName, StreamRows } from "./stream_rows.ts";
import { tableExists } from "../table/create_table.ts";

const TABLE = "cdc_settings";

export class SavedSettings extends StreamRows {
  /** Creates the table if it is missing. */
  static async open(transport: Transport, stream: StreamName): Promise<SavedSettings> {
    await prepareTable(transport, stream.schema, TABLE);
    return new SavedSettings(transport, stream, TABLE);
  }

  /** Undefined for a stream that had no file. */
  async read(): Promise<string | undefined> {
    await this.refresh();
    const [row] = await this.select("settings");
    return row && String(row[0]);
  }

  async save(settings: string): Promise<void> {
    await this.run(
      `INSERT INTO ${this.table} (stream, settings, saved_at) VALUES ($1, $2, CURRENT_TIMESTAMP) ` +
        "ON CONFLICT (stream) DO UPDATE SET settings = excluded.settings, saved_at = excluded.saved_at",
      [settings],
      { writes: true },
    );
  }
}

/** The settings of a stream, as they were saved last; undefined for a stream that had no file. */
export async function readSettings(transport: Transport, stream: StreamName): Promise<string | undefined> {
  if (!await tableExists(transport, { schema: stream.schema, name: TABLE })) return undefined;
  return await new SavedSettings(transport, stream, TABLE).read();
}
