import type { Db } from "mongodb";
// What a serializer would not write (equal keys, types of long ago) goes to the server by the byte only.
import { DocumentSequence } from "mongodb/lib/cmap/commands.js";

/** A document that the server didn't take. */
export interface Refused {
  readonly index: number;
  readonly errmsg: string;
}

const STATEMENTS = { insert: "documents", update: "updates" } as const;

/**
 * Writes into the collection `data` these bytes.
 *
 * @example
 * IN: "insert", documents as BSON; "update", statements {q, u} as BSON
 * OUT: those that the server refused, by index
 */
export async function rawCommand(
  db: Db,
  command: keyof typeof STATEMENTS,
  documents: readonly Uint8Array[],
): Promise<Refused[]> {
  const sequence = new DocumentSequence(STATEMENTS[command]);
  for (const document of documents) sequence.push({}, document);
  const { writeErrors = [] } = await db.command({
    [command]: "data",
    [STATEMENTS[command]]: sequence,
    ordered: false,
  });
  return writeErrors;
}
