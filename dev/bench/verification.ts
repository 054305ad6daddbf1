/** How fast a collection and its table are compared. */
import { setTimeout as delay } from "node:timers/promises";
import { namespaceText } from "../../lib/util/namespace.ts";
import { refreshTable, type Transport } from "../../lib/sink/connection/transport.ts";
import { quoteTable } from "../../lib/sink/sql/names.ts";
import type { Bed, Place } from "./bed.ts";
import type { Relay } from "./contender.ts";
import type { Shape } from "./documents.ts";
import { insertDocuments } from "./lines.ts";
import { type Sample, sample } from "./sample.ts";

interface Verification {
  readonly bed: Bed;
  readonly relay: Relay;
  readonly shape: Shape;
  readonly count: number;
}

const INTERVAL_MS = 50;
/** Of what the program told, when it ends too early. */
const LAST_LINES = 20;

/** From the line that says so to the result, of a table that a relay has filled. */
export async function verification({ bed, relay, shape, count }: Verification): Promise<Sample> {
  await using place = await relay.place();
  await insertDocuments(place.collection, { shape, count });
  {
    await using running = relay.start(place);
    await relay.following(running, place);
    await running.kill("SIGTERM");
  }
  await using running = relay.verify(place);
  await running.waitForLine(/Verifying/);
  const { pid } = running;
  const ended = running.status.then(() =>
    Promise.reject(new Error(running.stderr.slice(-LAST_LINES).join("\n")))
  );
  const taken = await sample(
    () => Promise.race([equal(bed.transports.http, place), ended]),
    { pid, cpu: bed.cpu },
  );
  await running.kill("SIGTERM");
  return taken;
}

/** @returns the documents that were compared; 0 where something differs */
async function equal(transport: Transport, { collection, table: { schema } }: Place): Promise<number> {
  const results = { schema, name: "cdc_verify" };
  const name = namespaceText({ database: collection.dbName, collection: collection.collectionName });
  while (true) {
    await refreshTable(transport, results);
    const { rows: [row] } = await transport.query(
      `SELECT outcome, documents FROM ${quoteTable(results)} WHERE collection = $1`,
      [name],
    );
    if (row) return row[0] === "equal" ? Number(row[1]) : 0;
    await delay(INTERVAL_MS);
  }
}
