/** Reads and edits a table's definition as `SHOW CREATE TABLE` prints it, one column per line. */
import { ifExists, isSinkError } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";

export interface DefinedColumn {
  /** Names from the table down, e.g. `["data", "o", "x"]`. */
  readonly path: readonly string[];
  /** The text after the name, e.g. `BIGINT`, `OBJECT(STRICT) AS (`, `ARRAY(OBJECT(DYNAMIC))`. */
  readonly type: string;
}

const COLUMN = /^( +)"((?:[^"]|"")+)" (.*?),?$/;
const INDENT_SPACES = 3;

/** The definition of a table, or of a view without its columns; undefined if none exists. */
export async function readDefinition(transport: Transport, table: TableName): Promise<string | undefined> {
  const { definition } = transport.dialect;
  const shown = transport.query(definition(table), [], { mayBeDropped: true }).catch((error) => {
    if (!isSinkError(error, "not a table")) throw error;
    return { rows: [["CREATE VIEW"]] };
  });
  const { rows: [[text] = []] = [] } = await ifExists(shown) ?? {};
  return text === undefined ? undefined : String(text);
}

/** The names of a table's columns; none if it does not exist. */
export const readColumns = async (transport: Transport, table: TableName): Promise<ReadonlySet<string>> =>
  new Set(definedColumns(await readDefinition(transport, table) ?? "").map(({ path: [name = ""] }) => name));

/**
 * @example
 * IN: CREATE TABLE … (\n   "data" OBJECT(DYNAMIC) AS (\n      "t" BIGINT\n   )\n)…
 * OUT: [{path: ["data"], type: "OBJECT(DYNAMIC) AS ("}, {path: ["data", "t"], type: "BIGINT"}]
 */
export function definedColumns(definition: string): DefinedColumn[] {
  return [...columnsIn(definition.split("\n"))].map(({ path, type }) => ({ path, type }));
}

/**
 * The definition with another table name, and other types for some columns.
 * @example
 * IN: CREATE TABLE IF NOT EXISTS "doc"."t" (\n   "n" BIGINT\n)…, "doc"."u", () => "DOUBLE PRECISION"
 * OUT: CREATE TABLE "doc"."u" (\n   "n" DOUBLE PRECISION\n)…
 */
export function redefined(
  definition: string,
  table: TableName,
  retype: (column: DefinedColumn) => string,
): string {
  const lines = definition.split("\n");
  for (const { index, line, ...column } of columnsIn(lines)) {
    const end = line.length - (line.endsWith(",") ? 1 : 0);
    lines[index] = line.slice(0, end - column.type.length) + retype(column) + line.slice(end);
  }
  lines[0] = `CREATE TABLE ${quoteTable(table)} (`;
  return lines.join("\n");
}

function* columnsIn(
  lines: readonly string[],
): Generator<DefinedColumn & { readonly index: number; readonly line: string }> {
  const names: string[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === ")") return;
    const [, indent = "", name = "", type = ""] = COLUMN.exec(line) ?? [];
    if (name === "") continue;
    names.length = indent.length / INDENT_SPACES - 1;
    names.push(name.replaceAll('""', '"'));
    yield { path: [...names], type, index, line };
  }
}
