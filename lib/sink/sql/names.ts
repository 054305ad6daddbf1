/** Names of tables and columns: quoting, parsing, and which table a collection gets. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Namespace } from "../../util/namespace.ts";

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** @example IN: it"s → OUT: "it""s" */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** @example IN: it's → OUT: 'it''s' */
export const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** @example IN: {schema: "doc", name: "cdc-testdrive"} → OUT: "doc"."cdc-testdrive" */
export const quoteTable = ({ schema, name }: TableName): string => `${quoteName(schema)}.${quoteName(name)}`;

export const isSameTable = (one: TableName, other: TableName): boolean =>
  one.schema === other.schema && one.name === other.name;

/** @example IN: ["overflow", "a", "it's"] → OUT: overflow['a']['it''s'] */
export const columnName = ([top = "", ...path]: readonly string[]): string =>
  `${top}${path.map((name) => `[${quoteText(name)}]`).join("")}`;

/** @example IN: ["a", "it's"] → OUT: data['a']['it''s'] */
export const subscript = (path: readonly string[]): string => columnName(["data", ...path]);

/** @example IN: shop.t → OUT: {schema: "shop", name: "t"}; IN: "a.b" (with the quotes) → OUT: {schema: <default>, name: "a.b"} */
export function tableName(text: string, schema: string): TableName {
  const name = /"(?:[^"]|"")+"|[^".]+/.source;
  const [, first, second] = new RegExp(`^(${name})(?:\\.(${name}))?$`).exec(text) ?? [];
  if (first === undefined) {
    const why = 'is neither TABLE nor SCHEMA.TABLE (a name with a dot in it goes in double quotes: "a.b")';
    throw new RangeError(why);
  }
  if (second === undefined) return Object.freeze({ schema, name: unquoted(first) });
  return Object.freeze({ schema: unquoted(first), name: unquoted(second) });
}

const unquoted = (name: string): string =>
  name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;

/** Characters that a CrateDB table or schema cannot have in its name. */
const REFUSED = /[.,|/\\\s"<>*?#]/g;

export interface NameLimits {
  /** The longest name, in bytes. The server truncates or refuses longer ones. */
  readonly maxNameBytes?: number;
  /** The longest `schema.table`, in bytes. */
  readonly maxPathBytes?: number;
  /** Matches the server's schemas. */
  readonly ownSchemas?: RegExp | undefined;
}

/** Schemas in which no tables can be created. */
const RESERVED = ["sys", "information_schema", "pg_catalog", "blob"];

/** @example IN: {schema: "{database}", name: "{collection}"}, shop.order.lines → OUT: {schema: "shop", name: "order_lines"} */
export function tableFor(
  template: TableName,
  { database, collection }: Namespace,
  { maxNameBytes = Infinity, maxPathBytes = Infinity, ownSchemas }: NameLimits = {},
): TableName {
  const values: Readonly<Record<string, string>> = { database, collection };
  const fill = (text: string): string =>
    text.replace(/\{(database|collection)\}/g, (_, name: string) => values[name]?.replace(REFUSED, "_") ?? "")
      .replace(/^[-+]/, "_");
  const wanted = fill(template.schema);
  const free = RESERVED.includes(wanted) ? `${wanted}_` : wanted;
  const schema = shortened(ownSchemas?.test(free) ? `_${free}` : free, maxNameBytes);
  const left = maxPathBytes - Buffer.byteLength(schema) - 1;
  return Object.freeze({ schema, name: shortened(fill(template.name), Math.min(maxNameBytes, left)) });
}

/** Truncates a name that is too long and appends a hash of the whole, so that no two names become equal. */
function shortened(name: string, maxBytes: number): string {
  if (Buffer.byteLength(name) <= maxBytes) return name;
  const end = `~${createHash("sha256").update(name).digest("hex").slice(0, 8)}`;
  let start = "";
  for (const character of name) {
    if (Buffer.byteLength(start + character + end) > maxBytes) break;
    start += character;
  }
  return start + end;
}
