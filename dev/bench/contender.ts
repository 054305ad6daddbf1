/** What is measured: a relay of this project in some version, or another tool. */
import { setTimeout as delay } from "node:timers/promises";
import { type Running, startCommand } from "../process/program.ts";
import type { Bed, Place } from "./bed.ts";
import { makeDocument } from "./documents.ts";
import type { Program, TransportName } from "./options.ts";
import { rowsThere } from "./visible.ts";

export interface Contender {
  readonly name: string;
  /** How rows reach CrateDB; undefined where the tool decides. */
  readonly transport: TransportName | undefined;
  /** Names a collection that it can follow, and the table that it makes. */
  place(): Promise<Place>;
  start(place: Place): Running;
  /** Resolves when it has begun to read what is there. */
  reading(running: Running): Promise<unknown>;
  /** Resolves when it follows the changes. */
  following(running: Running, place: Place): Promise<unknown>;
}

export interface Relay extends Contender {
  readonly transport: TransportName;
  /** Compares the collection and its table, again and again. */
  verify(place: Place): Running;
}

/** For a snapshot of many documents, in milliseconds. */
const READY_TIMEOUT_MS = 600_000;

export function relayContender(bed: Bed, { name, command }: Program, transport: TransportName): Relay {
  const run = ({ collection, table }: Place, name: string, more: readonly string[] = []) =>
    startCommand(command, [
      name,
      ...["--database", collection.dbName, "--collection", collection.collectionName],
      ...["--table", `${table.schema}.${table.name}`, ...more],
    ], { env: { MONGODB_URL: bed.mongodbUrl, CRATEDB_URL: bed.sinkUrls[transport] } });
  return {
    name,
    transport,
    place: () => Promise.resolve(bed.place()),
    start: (place) => run(place, "cdc-relay"),
    verify: (place) => run(place, "verify", ["--watch"]),
    reading: (running) => running.waitForLine(/Opening a new change stream/),
    following: (running) => running.waitForLine(/\bReady\b/, { timeout: READY_TIMEOUT_MS }),
  };
}

/** A tool cannot be asked: it follows when a document that is inserted meanwhile has its row. */
export const toolContender = (bed: Bed, { name, command }: Program): Contender => ({
  name,
  transport: undefined,
  place: () => bed.examplePlace(),
  start(place) {
    const values = placeholders(bed, place);
    return startCommand(filled(command, values), [], {
      env: {
        MONGODB_URL: values.mongodb,
        MONGODB_DATABASE: values.database,
        MONGODB_COLLECTION: values.collection,
        CRATEDB_URL: values.cratedb,
        CRATEDB_SQLALCHEMY_URL: values.cratedb,
        CRATEDB_TABLE: values.table,
      },
    });
  },
  reading: () => Promise.resolve(),
  following: (running, place) => probed(bed, running, place),
});

function placeholders(bed: Bed, { collection, table }: Place) {
  return {
    mongodb: bed.mongodbUrl,
    "mongodb-host": new URL(bed.mongodbUrl.replace(/^mongodb/, "http")).host,
    database: collection.dbName,
    collection: collection.collectionName,
    cratedb: bed.sinkUrls.http,
    schema: table.schema,
    table: table.name,
  };
}

/** @example IN: "load mongodb://{mongodb-host}/{database}", {"mongodb-host": "a:1", database: "b"} → OUT: "load mongodb://a:1/b" */
export const filled = (command: string, values: Readonly<Record<string, string>>): string =>
  command.replaceAll(/\{([a-z-]+)\}/g, (placeholder, name: string) => values[name] ?? placeholder);

const PROBE_INTERVAL_MS = 500;
const PROBES = 120;
/** Of what a tool told, when it does not follow. */
const LAST_LINES = 20;
/** Documents have a date that grows with their number; Python knows none after the year 9999. */
const FIRST_PROBE = 1_000_000_000;

/** Documents whose `seq` is negative, so that nobody counts them. */
async function probed(bed: Bed, running: Running, { collection, table }: Place): Promise<void> {
  let ended = false;
  const status = running.status.then(() => ended = true);
  for (let probe = 1; probe <= PROBES && !ended; probe++) {
    await collection.insertOne({ ...makeDocument("small", FIRST_PROBE + probe), seq: -probe });
    await Promise.race([status, delay(PROBE_INTERVAL_MS)]);
    if (await rowsThere(bed.transports.http, table, "data['seq'] < 0") > 0) return;
  }
  const why = ended ? "It has ended" : "No row came within a minute";
  throw new Error([why, ...running.stderr.slice(-LAST_LINES)].join("\n"));
}
