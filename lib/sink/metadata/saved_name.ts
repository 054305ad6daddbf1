/** The name under which a stream is saved: it may list the same collections in another order. */
import { partsOfStream, streamKey, streamOfPart } from "../../key/stream_name.ts";
import { refreshTable, type Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/sql_names.ts";
import { tableExists } from "./metadata_tables.ts";

const TABLE = "cdc_position";

/**
 * The name that a stream goes on with, so that its position, dead letters and collections are found.
 *
 * @example
 * IN: shop.{orders,users} -> …, saved: shop.{users,orders} -> … → OUT: shop.{users,orders} -> …
 * IN: shop.{orders,users} -> …, nothing saved → OUT: shop.{orders,users} -> …
 */
export async function savedName(
  transport: Transport,
  { schema, stream }: { readonly schema: string; readonly stream: string },
): Promise<string> {
  const table = { schema, name: TABLE };
  if (!await tableExists(transport, table)) return stream;
  await refreshTable(transport, table);
  const { rows } = await transport.query(
    `SELECT stream FROM ${quoteTable(table)} ORDER BY saved_at DESC NULLS LAST, stream`,
  );
  return nameAmong(rows.map(([name]) => String(name)), stream);
}

/** @param saved names, the newest first; @returns `stream` if it is not saved under another name */
export function nameAmong(saved: readonly string[], stream: string): string {
  if (saved.includes(stream)) return stream;
  const { whole, part } = partsOfStream(stream);
  const key = streamKey(whole);
  const found = saved.map(partsOfStream).find((each) =>
    streamKey(each.whole) === key && each.part?.count === part?.count
  );
  return found ? streamOfPart(found.whole, part) : stream;
}
