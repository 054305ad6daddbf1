/** The servers of a benchmark, and places on them: a collection and the table that it becomes. */
import { type Collection, MongoClient } from "mongodb";
import { removeDatabase, removeSchema } from "../demo/remove.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import type { Transport } from "../../lib/sink/connection/transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { tableExists } from "../../lib/sink/table/create_table.ts";
import { quoteTable, type TableName } from "../../lib/sink/sql/names.ts";
import { UserError } from "../../lib/util/errors.ts";
import { startCratedb } from "../servers/start_cratedb.ts";
import { startMongodb } from "../servers/start_mongodb.ts";
import { tell } from "../servers/tell.ts";
import { type CpuSources, pidOfContainer } from "./cpu.ts";
import type { TransportName } from "./options.ts";

export interface Bed extends AsyncDisposable {
  readonly mongodbUrl: string;
  readonly client: MongoClient;
  readonly sinkUrls: Readonly<Record<TransportName, string>>;
  readonly transports: Readonly<Record<TransportName, Transport>>;
  readonly cpu: CpuSources;
  /** A new place. */
  place(): Place;
  /**
   * The names of the Python example, which it cannot be told.
   *
   * @throws UserError when they are taken
   */
  examplePlace(): Promise<Place>;
}

/** A collection and its table, removed when disposed of. */
export interface Place extends AsyncDisposable {
  readonly collection: Collection;
  readonly table: TableName;
}

/** Half of what a machine of 4 GB has, as CrateDB recommends. */
const HEAP = "-Xms2g -Xmx2g";

const EXAMPLE = {
  database: "testdrive",
  collection: "data",
  table: { schema: "doc", name: "cdc-testdrive" },
};

/** @throws {NoServerError} */
export async function openBed(): Promise<Bed> {
  await using opening = new AsyncDisposableStack();
  const mongodb = opening.use(await startMongodb());
  const cratedb = opening.use(await startCratedb({ javaOptions: HEAP }));
  tell(mongodb.description);
  tell(cratedb.description);
  const schema = `bench_${crypto.randomUUID().slice(0, 8)}`;
  const sinkUrls = { http: cratedb.httpUrl, wire: cratedb.wireUrl };
  opening.defer(() => removeSchema(sinkUrls.http, schema));
  opening.defer(() => removeDatabase(mongodb.url, schema));
  const client = opening.use(new MongoClient(mongodb.url));
  const transports = {
    http: opening.use(await openTransport(parseSinkUrl(sinkUrls.http))),
    wire: opening.use(await openTransport(parseSinkUrl(sinkUrls.wire))),
  };
  const placeOf = (collection: Collection, table: TableName): Place => ({
    collection,
    table,
    async [Symbol.asyncDispose]() {
      await collection.drop();
      await transports.http.query(`DROP TABLE IF EXISTS ${quoteTable(table)}`);
    },
  });
  const cratedbPid = cratedb.containerId === undefined
    ? undefined
    : await pidOfContainer(cratedb.containerId);
  const open = opening.move();
  let places = 0;
  return {
    mongodbUrl: mongodb.url,
    client,
    sinkUrls,
    transports,
    cpu: { mongodb: client, cratedbPid },
    place() {
      const name = `data_${++places}`;
      return placeOf(client.db(schema).collection(name), { schema, name });
    },
    async examplePlace() {
      const { table } = EXAMPLE;
      const collection = client.db(EXAMPLE.database).collection(EXAMPLE.collection);
      if (await collection.findOne() !== null || await tableExists(transports.http, table)) {
        throw new UserError(
          `${collection.namespace} or ${quoteTable(table)} is there already, and would be removed`,
        );
      }
      return placeOf(collection, table);
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
