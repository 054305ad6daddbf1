/** Which table a collection gets. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Namespace } from "../../util/namespace.ts";
import type { TableName } from "./sql_names.ts";

/** Characters that a CrateDB table or schema cannot have in its name. */
const REFUSED = /[.,|/\\\s"<>*?#]/g;

export interface NameLimits {
  /** The longest name, in bytes. The server cuts or refuses longer ones. */
  readonly maxNameBytes?: number;
  /** The longest `schema.table`, in bytes. */
  readonly maxPathBytes?: number;
  /** Matches the server's own schemas. */
  readonly ownSchemas?: RegExp | undefined;
}

/** Schemas that nobody can make tables in. */
const RESERVED = ["sys", "information_schema", "pg_catalog", "blob"];

/**
 * The table for a collection. Characters that CrateDB refuses become `_`.
 *
 * @example
 * IN: {schema: "{database}", name: "{collection}"}, shop.order.lines
 * OUT: {schema: "shop", name: "order_lines"}
 *
 * @param limits the server's limits
 */
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

/** Cuts a name that is too long and appends a hash of all of it, so that no two names become the same. */
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
