/** How many shards a new table gets if its settings name no number. */
import { isSinkError } from "../connection/sink_error.ts";
import { queryNumber, type Transport } from "../connection/transport.ts";

/** Documents of up to so many bytes are a small table: further shards only cost work. */
export const SMALL_BYTES = 5e9;

/** One for each node if the documents have fewer bytes than a large table; undefined for CrateDB's own number. */
export async function shardsFor(
  transport: Transport,
  bytesOf: () => number | undefined | Promise<number | undefined>,
): Promise<number | undefined> {
  if (transport.dialect.isJsonb || (await bytesOf() ?? Infinity) >= SMALL_BYTES) return undefined;
  try {
    return await queryNumber(transport, "SELECT count(*) FROM sys.nodes") || undefined;
  } catch (error) {
    // The user may not read it.
    if (isSinkError(error, "privilege", "unknown relation", "unknown schema")) return undefined;
    throw error;
  }
}
