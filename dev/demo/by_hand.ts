/** How to look at the demo's data with the databases' own tools. */
import { quoteTable, type TableName } from "../../lib/sink/sql/names.ts";
import { maskUrl } from "../../lib/util/mask_url.ts";
import { parseSinkUrl, type SinkAddress } from "../../lib/sink/connection/url.ts";

export interface ByHandOptions {
  readonly mongodbUrl: string;
  readonly sinkUrl: string;
  readonly table: TableName;
}

/**
 * @example
 * OUT: ["mongosh 'mongodb://localhost/' --eval 'db.getSiblingDB(\"cdc_demo_1\").conflicts.find()'", "curl -sS …", "crash …"]
 */
export function byHand({ mongodbUrl, sinkUrl, table }: ByHandOptions): string[] {
  const select = `SELECT oid, data, overflow FROM ${quoteTable(table)}`;
  const address = parseSinkUrl(sinkUrl);
  return [
    `mongosh ${quoted(maskUrl(mongodbUrl))} --eval ${
      quoted(`db.getSiblingDB("${table.schema}").${table.name}.find()`)
    }`,
    ...clientsOf(address, { select, sinkUrl: maskUrl(sinkUrl) }),
  ];
}

/** The clients of HTTP, or that of the wire. */
function clientsOf(address: SinkAddress, { select, sinkUrl }: { select: string; sinkUrl: string }): string[] {
  if (address.transport === "wire") {
    return [`psql ${quoted(sinkUrl.replace(/^[^:]+/, "postgresql"))} -c ${quoted(select)}`];
  }
  const { host, port, tls, user, password } = address;
  const url = `${tls ? "https" : "http"}://${host}:${port}`;
  const login = (flag: string): string => password ? `${flag} ${quoted(user)} ` : "";
  const body = JSON.stringify({ stmt: select });
  return [
    `curl -sS ${login("-u")}-H 'Content-Type: application/json' ${url}/_sql -d ${quoted(body)}`,
    `crash ${login("-U")}--hosts ${url} -c ${quoted(select)}`,
  ];
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
