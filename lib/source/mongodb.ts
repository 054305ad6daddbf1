/** The connection to MongoDB. */
import { MongoClient } from "mongodb";

/** Milliseconds until a server that does not answer is given up for this try. */
const SELECTION_TIMEOUT = 5_000;

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
