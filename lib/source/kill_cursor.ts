import { BSON, type Db } from "mongodb";

/** Milliseconds that the server has for it. */
const TIMEOUT = 1_000;

/** Has the server let go of a cursor; one that it keeps costs nothing but memory there, for a while. */
export async function killCursor(db: Db, collection: string, cursorId: bigint): Promise<void> {
  const command = { killCursors: collection, cursors: [BSON.Long.fromBigInt(cursorId)] };
  await db.command(command, { signal: AbortSignal.timeout(TIMEOUT) }).catch(() => {});
}
