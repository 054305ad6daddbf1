/** How many shards a new table gets if its settings name no number. */
import { isSinkError } from "../connection/sink_error.ts";
import { queryNumber, type Transport } from "../connection/transport.ts";

/** Documents of up to so many bytes are a small table: further shards only cost work. */
const SMALL_BYTES = 5e9;

/** One for each node if the documents have fewer bytes than a large table; undefined for CrateDB's own number. */
export const shardsOfSize = (bytes: number | undefined, nodes: number): number | undefined =>
  bytes !== undefined && bytes < SMALL_BYTES ? nodes : undefined;

/** {@linkcode shardsOfSize}, by the nodes of the server. The number of bytes is undefined if it is unknown. */
export async function shardsFor(
  transport: Transport,
  bytesOf: () => number | undefined | Promise<number | undefined>,
): Promise<number | undefined> {
  if (transport.dialect.isJsonb) return undefined;
  const bytes = await bytesOf();
  if (shardsOfSize(bytes, 1) === undefined) return undefined;
  try {
    return shardsOfSize(bytes, await queryNumber(transport, "SELECT count(*) FROM sys.nodes")) || undefined;
  } catch (error) {
    // The user may not read it.
    if (isSinkError(error, "privilege", "unknown relation", "unknown schema")) return undefined;
    throw error;
  }
}
