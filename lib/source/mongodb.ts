/** The connection to MongoDB. */
import { setTimeout as delay } from "node:timers/promises";
import { MongoClient, type MongoClientOptions, ReadPreference } from "mongodb";

/** What a URL may say otherwise. A server that does not answer for so many milliseconds is given up for this try. */
const DEFAULTS: Readonly<MongoClientOptions> = {
  serverSelectionTimeoutMS: 5_000,
  connectTimeoutMS: 5_000,
  appName: "mongodb_cdc_cratedb",
};
/** Milliseconds that a server has for ending the sessions. */
const FAREWELL = 1_000;

/** What a URL may not say otherwise: only the primary knows what is the latest. */
const FIXED: Readonly<MongoClientOptions> = { readPreference: ReadPreference.primary, raw: false };

export async function connectMongodb(url: string): Promise<MongoClient> {
  const client = new MongoClient(url, { ...without(DEFAULTS, optionsIn(url)), ...FIXED });
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

/**
 * Names of options, which are alike in upper and lower case. The driver would let options beside a URL win over it.
 *
 * @example
 * IN: mongodb://a,b/?appName=x&tls=true → OUT: {"appname", "tls"}
 */
function optionsIn(url: string): ReadonlySet<string> {
  const [, query = ""] = /\?(.*)$/s.exec(url) ?? [];
  return new Set([...new URLSearchParams(query).keys()].map((name) => name.toLowerCase()));
}

const without = (options: MongoClientOptions, names: ReadonlySet<string>): MongoClientOptions =>
  Object.fromEntries(Object.entries(options).filter(([name]) => !names.has(name.toLowerCase())));
