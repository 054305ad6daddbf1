/** What CrateDB and PostgreSQL say differently; everything else about a sink is the same. */
import { type NameLimits } from "../table/table_naming.ts";
import { quoteTable, type TableName } from "../table/sql_names.ts";
import type { Query } from "./transport.ts";

export interface Dialect extends Required<NameLimits> {
  readonly name: "CrateDB" | "PostgreSQL";
  /** The schema of tables that name none; undefined where the URL says it. */
  readonly schema: string | undefined;
  /** What `data` and `overflow` are in `information_schema.columns`. */
  readonly dataType: string;
  readonly overflowType: string;
  /** Types of lists of keys, of `data` and of `overflow` as parameters. */
  readonly lists: readonly [oids: string, data: string, overflow: string];
  /** A query for a schema of a name; undefined where schemas come and go with their tables. */
  readonly schemas: string | undefined;
  /** What follows the columns of the relay's own small tables. */
  readonly smallTable: string;
  /** The type of long text that nobody searches. */
  readonly longText: string;
  readonly primaryKey: string;
  /** A regular expression for texts that the server sorts in one order or another; undefined where it has one. */
  readonly twoOrders: string | undefined;
  /** Makes what was written visible; undefined where it is at once. */
  readonly refresh: ((table: TableName) => string) | undefined;
  /** Two texts that are others after each write of a row, and the condition that they still are these. */
  readonly fence: { readonly select: string; readonly where: (one: string, other: string) => string };
  /** The server's clock, and conversions from and to milliseconds. */
  readonly now: string;
  readonly millis: (timestamp: string) => string;
  readonly timestamp: (millis: string) => string;
}

export const CRATEDB: Dialect = {
  name: "CrateDB",
  schema: undefined,
  maxNameBytes: 255,
  // Of 255; a copy of the table has an ending to its name.
  maxPathBytes: 246,
  ownSchemas: undefined,
  dataType: "object",
  overflowType: "object",
  lists: ["array(text)", "array(object)", "array(object)"],
  schemas: undefined,
  smallTable: "CLUSTERED INTO 1 SHARDS",
  longText: "TEXT INDEX OFF STORAGE WITH (columnstore = false)",
  primaryKey: `SELECT column_name FROM information_schema.key_column_usage
    WHERE table_schema = $1 AND table_name = $2`,
  // A shard has them before the characters beyond the Basic Multilingual Plane, the merging of shards after them.
  twoOrders: ".*[\ue000-\uffff].*",
  refresh: (table) => `REFRESH TABLE ${quoteTable(table)}`,
  fence: {
    select: "_seq_no::text, _primary_term::text",
    where: (one, other) => `_seq_no = ${one}::bigint AND _primary_term = ${other}::bigint`,
  },
  now: "CURRENT_TIMESTAMP::bigint",
  millis: (timestamp) => `${timestamp}::bigint`,
  timestamp: (millis) => `(${millis})::timestamp with time zone`,
};

export const POSTGRESQL: Dialect = {
  name: "PostgreSQL",
  schema: "public",
  maxNameBytes: 63,
  maxPathBytes: Infinity,
  ownSchemas: /^pg_/,
  dataType: "jsonb",
  overflowType: "json",
  lists: ["text[]", "jsonb[]", "json[]"],
  schemas: "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
  smallTable: "",
  longText: "TEXT",
  primaryKey: `SELECT k.column_name FROM information_schema.table_constraints c
    JOIN information_schema.key_column_usage k
      ON k.constraint_schema = c.constraint_schema AND k.constraint_name = c.constraint_name
    WHERE c.constraint_type = 'PRIMARY KEY' AND c.table_schema = $1 AND c.table_name = $2`,
  twoOrders: undefined,
  refresh: undefined,
  fence: { select: "xmin::text, '0'", where: (one, other) => `xmin::text = ${one} AND ${other} = '0'` },
  now: "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
  millis: (timestamp) => `(extract(epoch FROM ${timestamp}) * 1000)::bigint`,
  timestamp: (millis) => `to_timestamp((${millis}) / 1000.0)`,
};

/** Asks the server what it is. */
export async function dialectOf(query: Query): Promise<Dialect> {
  const { rows: [row] } = await query("SELECT version()");
  return /^PostgreSQL\b/.test(String(row?.[0])) ? POSTGRESQL : CRATEDB;
}
