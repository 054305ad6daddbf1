import { type Running, startCommand } from "../process/program.ts";
import type { Bed, Place } from "./bed.ts";
import type { Program, TransportName } from "./options.ts";

export interface Contender {
  readonly program: Program;
  readonly transport: TransportName;
}

/** Starts a relay that follows the collection of a place. */
export function startRelay(
  { program, transport }: Contender,
  { bed, place }: { readonly bed: Bed; readonly place: Place },
): Running {
  const { database, collection, table } = place;
  const args = ["cdc-relay", "--database", database, "--collection", collection.collectionName];
  return startCommand(program.command, [...args, "--table", `${table.schema}.${table.name}`], {
    env: { MONGODB_URL: bed.mongodbUrl, CRATEDB_URL: bed.sinkUrls[transport] },
  });
}

/** For a snapshot of many documents, in milliseconds. */
export const READY_TIMEOUT_MS = 600_000;
