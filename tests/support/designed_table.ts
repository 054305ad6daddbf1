/** A relay file for one collection, whose settings design its table. */
import type { CratedbContext, TransportName } from "./cratedb_harness.ts";
import { relayYaml } from "./relay_yaml.ts";

/** @example IN: CrateDB 6.4.3 → OUT: 6.04 */
export async function versionOf({ sql }: CratedbContext): Promise<number> {
  const [row] = await sql("SELECT version() AS text");
  const [, major, minor] = /(\d+)\.(\d+)\./.exec(String(row?.text)) ?? [];
  return Number(major) + Number(minor) / 100;
}

export const fileOf = (context: CratedbContext, design: object, transport: TransportName = "http") =>
  relayYaml({ ...context, httpUrl: transport === "http" ? context.httpUrl : context.wireUrl }, {
    shop: {
      database: context.database,
      table: `${context.schema}.{collection}`,
      collection: "data",
      ...design,
    },
  });
