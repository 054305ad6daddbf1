import { queryCratedb } from "../servers/query_cratedb.ts";
import type { Bed } from "./bed.ts";

/** @example OUT: {Deno: "2.9.0", MongoDB: "7.0.2", CrateDB: "5.7.6"} */
export async function versionsOf({ client, sinkUrls }: Bed): Promise<Readonly<Record<string, string>>> {
  const { version } = await client.db("admin").command({ buildInfo: 1 });
  const [node] = await queryCratedb(
    sinkUrls.http,
    "SELECT version['number'] AS number FROM sys.nodes LIMIT 1",
  );
  return { Deno: Deno.version.deno, MongoDB: version, CrateDB: String(node?.number) };
}
