/** The servers of a benchmark, and its collections and tables on them. */
import { type Collection, MongoClient } from "mongodb";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import type { Transport } from "../../lib/sink/connection/transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { tableExists } from "../../lib/sink/table/create_table.ts";
import { quoteTable, type TableName } from "../../lib/sink/sql/names.ts";
import { UserError } from "../../lib/util/errors.ts";
import { removeDatabase, removeSchema } from "../demo/remove.ts";
import { progress } from "../servers/progress.ts";
import { startCratedb } from "../servers/start_cratedb.ts";
import { startMongodb } from "../servers/start_mongodb.ts";
import { pidOfContainer, type Servers } from "./sample.ts";

export interface Bed extends AsyncDisposable, Servers {
  readonly mongodbUrl: string;
  readonly cratedbUrl: string;
  readonly transport: Transport;
  newPlace(): Place;
  /**
   * The collection and the table of the Python example, which cannot use others.
   *
   * @throws UserError when one exists
   */
  examplePlace(): Promise<Place>;
}

/** A collection and its table, removed when disposed of. */
export interface Place extends AsyncDisposable {
  readonly collection: Collection;
  readonly table: TableName;
}

/** @throws {NoServerError} */
export async function openBed(): Promise<Bed> {
  await using opening = new AsyncDisposableStack();
  const mongodb = opening.use(await startMongodb());
  const cratedb = opening.use(await startCratedb({ javaOptions: "-Xms2g -Xmx2g" }));
  progress(mongodb.description);
  progress(cratedb.description);
  const schema = `bench_${crypto.randomUUID().slice(0, 8)}`;
  const cratedbUrl = cratedb.httpUrl;
  opening.defer(() => removeSchema(cratedbUrl, schema));
  opening.defer(() => removeDatabase(mongodb.url, schema));
  const client = opening.use(new MongoClient(mongodb.url));
  const transport = opening.use(await openTransport(parseSinkUrl(cratedbUrl)));
  const placeOf = (collection: Collection, table: TableName): Place => ({
    collection,
    table,
    async [Symbol.asyncDispose]() {
      await collection.drop();
      await transport.query(`DROP TABLE IF EXISTS ${quoteTable(table)}`);
    },
  });
  const { containerId } = cratedb;
  const cratedbPid = containerId === undefined ? undefined : await pidOfContainer(containerId);
  const open = opening.move();
  let places = 0;
  return {
    mongodbUrl: mongodb.url,
    cratedbUrl,
    client,
    transport,
    cratedbPid,
    newPlace() {
      const name = `data_${++places}`;
      return placeOf(client.db(schema).collection(name), { schema, name });
    },
    async examplePlace() {
      const table = { schema: "doc", name: "cdc-testdrive" };
      const collection = client.db("testdrive").collection("data");
      if (await collection.findOne() !== null || await tableExists(transport, table)) {
        throw new UserError(`${collection.namespace} or ${quoteTable(table)} exists and would be removed`);
      }
      return placeOf(collection, table);
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
