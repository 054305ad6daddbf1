/** The servers of a benchmark, and places on them: a collection and the table that it becomes. */
import { type Collection, MongoClient } from "mongodb";
import { removeDatabase, removeSchema } from "../../lib/demo/remove.ts";
import { openTransport } from "../../lib/sink/connection/open_transport.ts";
import type { Transport } from "../../lib/sink/connection/transport.ts";
import { parseSinkUrl } from "../../lib/sink/connection/url.ts";
import { quoteTable, type TableName } from "../../lib/sink/table/sql_names.ts";
import { startCratedb } from "../servers/start_cratedb.ts";
import { startMongodb } from "../servers/start_mongodb.ts";
import { tell } from "../servers/tell.ts";
import type { CpuSources } from "./cpu.ts";
import type { TransportName } from "./options.ts";

export interface Bed extends AsyncDisposable {
  readonly mongodbUrl: string;
  readonly client: MongoClient;
  readonly sinkUrls: Readonly<Record<TransportName, string>>;
  readonly transports: Readonly<Record<TransportName, Transport>>;
  readonly cpu: CpuSources;
  /** A collection and a table that are not there yet, removed when disposed of. */
  place(): Place;
}

export interface Place extends AsyncDisposable {
  readonly database: string;
  readonly collection: Collection;
  readonly table: TableName;
}

/** The heap that CrateDB's own recommendation gives a machine of 8 GB. */
const HEAP = "-Xms2g -Xmx2g";

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
  const open = opening.move();
  let places = 0;
  return {
    mongodbUrl: mongodb.url,
    client,
    sinkUrls,
    transports,
    cpu: { mongodb: client, cratedbContainer: cratedb.containerId },
    place() {
      const name = `data_${++places}`;
      const table = { schema, name };
      const collection = client.db(schema).collection(name);
      return {
        database: schema,
        collection,
        table,
        async [Symbol.asyncDispose]() {
          await collection.drop();
          await transports.http.query(`DROP TABLE IF EXISTS ${quoteTable(table)}`);
        },
      };
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
