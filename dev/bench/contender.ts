/** A measured program: a version of the relay, or another tool. */
import { setTimeout as delay } from "node:timers/promises";
import { type Running, startCommand } from "../process/program.ts";
import type { Bed, Place } from "./bed.ts";
import { makeDocument } from "./documents.ts";
import { countRows } from "./visible.ts";

/** A relay or another tool: its name in the results, and the command that starts it. */
export interface Program {
  readonly name: string;
  readonly command: string;
}

export interface Contender {
  readonly name: string;
  /** Returns a collection that it can follow, and the table that it creates. */
  place(): Promise<Place>;
  /** @param flags for relays */
  start(place: Place, flags?: readonly string[]): Running;
  /** Resolves when it begins to read. */
  reading(running: Running): Promise<unknown>;
  /** Resolves when it follows the changes. */
  following(running: Running, place: Place): Promise<unknown>;
  /** Compares the collection and its table repeatedly. Relays only. */
  readonly verify?: (place: Place) => Running;
}

/** For a snapshot of many documents. */
const READY_TIMEOUT_MS = 600_000;

export function relayContender(bed: Bed, { name, command }: Program): Contender {
  const run = ({ collection, table }: Place, name: string, ...flags: readonly string[]) =>
    startCommand(command, [
      ...[name, "--database", collection.dbName, "--collection", collection.collectionName],
      ...["--table", `${table.schema}.${table.name}`, ...flags],
    ], { env: { MONGODB_URL: bed.mongodbUrl, CRATEDB_URL: bed.cratedbUrl } });
  return {
    name,
    place: () => Promise.resolve(bed.newPlace()),
    start: (place, flags = []) => run(place, "cdc-relay", ...flags),
    verify: (place) => run(place, "verify", "--watch"),
    reading: (running) => running.waitForLine(/Opening a new change stream/),
    following: (running) => running.waitForLine(/\bReady\b/, { timeout: READY_TIMEOUT_MS }),
  };
}

/** A tool follows the changes if an inserted document gets a row. */
export const toolContender = (bed: Bed, { name, command }: Program): Contender => ({
  name,
  place: () => bed.examplePlace(),
  start({ collection, table }) {
    return startCommand(
      filled(command, {
        mongodb: bed.mongodbUrl,
        "mongodb-host": new URL(bed.mongodbUrl.replace(/^mongodb/, "http")).host,
        database: collection.dbName,
        collection: collection.collectionName,
        cratedb: bed.cratedbUrl,
        schema: table.schema,
        table: table.name,
      }),
      [],
    );
  },
  reading: () => Promise.resolve(),
  following: (running, place) => probe(bed, running, place),
});

/** @example IN: "load mongodb://{mongodb-host}/{database}", {"mongodb-host": "a:1", database: "b"} → OUT: "load mongodb://a:1/b" */
export const filled = (command: string, values: Readonly<Record<string, string>>): string =>
  command.replaceAll(/\{([a-z-]+)\}/g, (placeholder, name: string) => values[name] ?? placeholder);

const PROBES = 120;
const LAST_LINES = 20;
/** The date of a document grows with its number, and Python's dates end with the year 9999. */
const FIRST_PROBE = 1_000_000_000;

/** Inserts documents with a negative `seq`, which the measurements ignore. */
async function probe(bed: Bed, running: Running, { collection, table }: Place): Promise<void> {
  let ended = false;
  const status = running.status.then(() => ended = true);
  for (let probe = 1; probe <= PROBES && !ended; probe++) {
    await collection.insertOne({ ...makeDocument("small", FIRST_PROBE + probe), seq: -probe });
    await Promise.race([status, delay(500)]);
    if (await countRows(bed.transport, table, "data['seq'] < 0") > 0) return;
  }
  const why = ended ? "The tool has ended" : "No row appeared within a minute";
  throw new Error([why, ...running.stderr.slice(-LAST_LINES)].join("\n"));
}
