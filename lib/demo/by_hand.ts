/** How to look at the demo's data with the databases' own tools. */
import { quoteTable, type TableName } from "../sink/table/sql_names.ts";
import { maskUrl } from "../util/mask_url.ts";
import { parseSinkUrl, type SinkAddress } from "../sink/connection/url.ts";

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
    ...LINES[address.transport](address, { select, sinkUrl: maskUrl(sinkUrl) }),
  ];
}

type Lines = (address: SinkAddress, statement: { select: string; sinkUrl: string }) => string[];

const LINES: Readonly<Record<SinkAddress["transport"], Lines>> = {
  http: ({ host, port, tls, user, password }, { select }) => {
    const url = `${tls ? "https" : "http"}://${host}:${port}`;
    const [curlUser, crashUser] = password ? [`-u ${quoted(user)} `, `-U ${quoted(user)} `] : ["", ""];
    const body = JSON.stringify({ stmt: select });
    return [
      `curl -sS ${curlUser}-H 'Content-Type: application/json' ${url}/_sql -d ${quoted(body)}`,
      `crash ${crashUser}--hosts ${url} -c ${quoted(select)}`,
    ];
  },
  wire: (_address, { select, sinkUrl }) => [`psql ${quoted(sinkUrl)} -c ${quoted(select)}`],
};

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
