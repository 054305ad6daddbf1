/** The differences between CrateDB and PostgreSQL. */
import { type NameLimits, quoteTable, type TableName } from "./names.ts";

/** Columns below `data`: created by the relay, by CrateDB, or none. */
export type ColumnMode = "typed" | "dynamic" | "ignored";

export interface Dialect extends NameLimits {
  readonly name: "CrateDB" | "PostgreSQL";
  /** The default schema; none if the URL has it. */
  readonly schema?: string;
  /** Whether `data` is a JSONB value, without columns below it. */
  readonly isJsonb: boolean;
  /** The types of `data` (for each column mode) and of `overflow` in a new table. */
  readonly dataDefinition: Readonly<Record<ColumnMode, string>>;
  readonly overflowDefinition: string;
  /** The first words of the types of `data` and `overflow`. */
  readonly dataType: string;
  readonly overflowType: string;
  /** The parameter types for lists of keys, of `data` and of `overflow`. */
  readonly lists: readonly [oids: string, data: string, overflow: string];
  /** A query that finds a schema by name; none if a schema exists as long as it has tables. */
  readonly schemas?: string;
  /** The clause after a table's columns for a number of shards; empty if the server has no shards. */
  readonly clustered: (shards: number) => string;
  /** Whether a statement that runs for each of several rows returns the error of each. */
  readonly rowErrors: boolean;
  /** The longest text that the server can read back, in characters. */
  readonly maxText: number;
  /** The type of long text that is not searched. */
  readonly longText: string;
  /** The statement that returns a table's definition, as `SHOW CREATE TABLE` of CrateDB prints it. */
  readonly definition: (table: TableName) => string;
  /** Matches keys that the server sorts inconsistently. */
  readonly twoOrders?: string;
  /** The statement that makes rows visible; none if they are visible at once. */
  readonly refresh?: (table: TableName) => string;
  /** Optimistic locking: selects a row's version as two texts, and tests it. */
  readonly fence: { readonly select: string; readonly where: (one: string, other: string) => string };
  /** Selects the name of the user, and whether the user sees all schemas. */
  readonly viewer: string;
  /** Selects the beginnings of the running statements that match the LIKE pattern `$1`, if the user may see them. */
  readonly running: string;
  /** The server's clock, and conversions between timestamps and milliseconds. */
  readonly now: string;
  readonly millis: (timestamp: string) => string;
  readonly timestamp: (millis: string) => string;
}

export const CRATEDB: Dialect = {
  name: "CrateDB",
  maxNameBytes: 255,
  // The limit is 255; the name of a work table is nine longer.
  maxPathBytes: 246,
  isJsonb: false,
  dataDefinition: { typed: "OBJECT(DYNAMIC)", dynamic: "OBJECT(DYNAMIC)", ignored: "OBJECT(IGNORED)" },
  overflowDefinition: "OBJECT(IGNORED)",
  dataType: "OBJECT",
  overflowType: "OBJECT",
  lists: ["array(text)", "array(object)", "array(object)"],
  clustered: (shards) => `CLUSTERED INTO ${shards} SHARDS`,
  rowErrors: false,
  // The limit of its parser for one string, in requests over HTTP and in stored values.
  maxText: 20_000_000,
  longText: "TEXT INDEX OFF STORAGE WITH (columnstore = false)",
  definition: (table) => `SHOW CREATE TABLE ${quoteTable(table)}`,
  // Shards sort U+E000–U+FFFF before astral characters, and the node that merges their results after them.
  twoOrders: ".*[\ue000-\uffff].*",
  refresh: (table) => `REFRESH TABLE ${quoteTable(table)}`,
  fence: {
    select: "_seq_no::text, _primary_term::text",
    where: (one, other) => `_seq_no = ${one}::bigint AND _primary_term = ${other}::bigint`,
  },
  viewer: "SELECT CURRENT_USER, CURRENT_USER = 'crate'",
  running: "SELECT substr(stmt, 1, 100) FROM sys.jobs WHERE stmt LIKE $1",
  now: "CURRENT_TIMESTAMP::bigint",
  millis: (timestamp) => `${timestamp}::bigint`,
  timestamp: (millis) => `(${millis})::timestamp with time zone`,
};

export const POSTGRESQL: Dialect = {
  name: "PostgreSQL",
  schema: "public",
  maxNameBytes: 63,
  ownSchemas: /^pg_/,
  isJsonb: true,
  dataDefinition: { typed: "JSONB", dynamic: "JSONB", ignored: "JSONB" },
  overflowDefinition: "JSON",
  dataType: "JSONB",
  overflowType: "JSON",
  lists: ["text[]", "jsonb[]", "json[]"],
  schemas: "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
  clustered: () => "",
  rowErrors: false,
  maxText: Infinity,
  longText: "TEXT",
  definition: (table) =>
    `SELECT concat_ws(E'\\n   ', 'CREATE ' || CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
      (SELECT string_agg('"' || replace(attname, '"', '""') || '" ' || upper(format_type(atttypid, NULL)), E'\\n   ')
        FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
      (SELECT pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint WHERE conrelid = c.oid AND contype = 'p'))
    FROM pg_catalog.pg_class c WHERE oid = '${quoteTable(table).replaceAll("'", "''")}'::regclass`,
  fence: { select: "xmin::text, '0'", where: (one, other) => `xmin::text = ${one} AND ${other} = '0'` },
  viewer: "SELECT rolname, rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER",
  running:
    "SELECT left(query, 100) FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND query LIKE $1",
  now: "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
  millis: (timestamp) => `(extract(epoch FROM ${timestamp}) * 1000)::bigint`,
  timestamp: (millis) => `to_timestamp((${millis}) / 1000.0)`,
};
