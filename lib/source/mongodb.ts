/** The connection to MongoDB. */
import { setTimeout as delay } from "node:timers/promises";
import { MongoClient } from "mongodb";

/** Milliseconds until a server that does not answer is given up for this try. */
const SELECTION_TIMEOUT = 5_000;
/** Milliseconds that a server has for ending the sessions. */
const FAREWELL = 1_000;

export async function connectMongodb(url: string): Promise<MongoClient> {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: SELECTION_TIMEOUT,
    connectTimeoutMS: SELECTION_TIMEOUT,
    appName: "mongodb_cdc_cratedb",
    retryReads: true,
  });
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The driver would wait for a server that does not answer. */
export const closeMongodb = (client: MongoClient): Promise<void> =>
  Promise.race([client.close(), delay(FAREWELL, undefined, { ref: false })]);
