/** Which MongoDB a relay is connected to, for the log. */
import { ConnectionString } from "mongodb-connection-string-url";
import type { LogFields } from "../../util/log.ts";
import type { CausalReader } from "./causal_reader.ts";

/**
 * Both commands need no privileges.
 *
 * @example
 * IN: mongodb://me:secret@a,b/?replicaSet=rs0 → OUT: {address: "a,b", version: "6.0.27", replica_set: "rs0"}
 *
 * @throws MongoError
 */
export async function serverDescription(reader: Pick<CausalReader, "read">, url: string): Promise<LogFields> {
  const admin = (command: Record<string, 1>) =>
    reader.read((client, options) => client.db("admin").command(command, options));
  const [{ version }, { setName, msg }] = await Promise.all([admin({ buildInfo: 1 }), admin({ hello: 1 })]);
  return {
    address: new ConnectionString(url).hosts.join(","),
    version,
    replica_set: setName,
    sharded: msg === "isdbgrid" ? true : undefined,
  };
}
