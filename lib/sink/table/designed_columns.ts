/** Compares a table that exists with its design, and adds the columns that it lacks. */
import { additions, type Column, innermost, mapObjects, pathsWhere } from "../../mapping/column_tree.ts";
import { isBefore, readVersion } from "../connection/server_version.ts";
import { isSinkError, unlessKind } from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { columnName, quoteTable, type TableName } from "../sql/names.ts";
import { CDC_COLUMN, type CdcSettings, hasCdc, needsCdc } from "./cdc_column.ts";
import { columnTree, typeName, typeText } from "./column_definition.ts";
import { definedColumns } from "./show_create_table.ts";
import { indexText, tableDefinition, type TableDesign } from "./table_design.ts";
import { unusableTable, UnusableTableError } from "./unusable_table.ts";

/** The first versions of CrateDB that store a type. */
const VERSIONS: readonly (readonly [kind: Column["kind"], type: string, version: string])[] = [
  ["numeric", "NUMERIC columns", "5.9"],
  ["uuid", "the type UUID", "6.2"],
  ["float_vector", "the type FLOAT_VECTOR", "5.5"],
];

/** Finds out whether the server can create the table. @throws UnusableTableError if it lacks a part of the design */
export async function checkDesign(
  transport: Transport,
  table: TableName,
  design: TableDesign,
): Promise<void> {
  tableDefinition(transport.dialect, design);
  const needed = VERSIONS.filter(([kind]) =>
    Object.values(design.types ?? {}).some((root) =>
      pathsWhere(root, (column) => column.kind === kind).length > 0
    )
  );
  if (needed.length === 0) return;
  const present = await readVersion(transport);
  for (const [, type, version] of needed) {
    if (!isBefore(present, version)) continue;
    throw new UnusableTableError(
      `Table ${quoteTable(table)} cannot be as designed: this CrateDB lacks ${type}`,
      {
        hint: `CrateDB ${version} has it. Upgrade, or remove it from types.`,
      },
    );
  }
}

/** What a table that exists has otherwise than its design, and CrateDB cannot change. */
export function misfitsOf(
  definition: string,
  { types = {}, fulltext = [] }: Pick<TableDesign, "types" | "fulltext">,
): readonly string[] {
  const defined = definedColumns(definition);
  const shown = plain(definition);
  return [
    ...fulltext.map(indexText).filter((index) => !shown.includes(plain(index)))
      .map((index) => `it has no ${index}`),
    ...Object.entries(types).flatMap(([root, wanted]) =>
      defined.some(({ path }) => path.length === 1 && path[0] === root)
        ? misfits(columnTree(defined, { root }), wanted, [root])
        : []
    ),
  ];
}

/** The clauses that add to a table what its design names. @throws UnusableTableError for another column `cdc` */
export function missingColumns(
  table: TableName,
  definition: string,
  { types = {}, ...cdc }: Pick<TableDesign, "types" | keyof CdcSettings>,
): readonly string[] {
  const defined = definedColumns(definition);
  const clauses = Object.entries(types).flatMap(([root, wanted]) => {
    const policy = root === "data" ? "DYNAMIC" : "STRICT";
    if (!defined.some(({ path }) => path.length === 1 && path[0] === root)) {
      return [`ADD COLUMN ${root} ${typeText(wanted, { policy })}`];
    }
    const existing = columnTree(defined, { root });
    const open = mapObjects(existing, ({ closed: _, ...object }) => object);
    return additions(open, wanted, [root]).map(({ path, column }) =>
      `ADD COLUMN ${columnName(path)} ${typeText(column, { policy })}`
    );
  });
  if (needsCdc(cdc) && !hasCdc(defined)) {
    if (defined.some(({ path: [top] }) => top === "cdc")) {
      throw unusableTable(table, [{ what: "it has another column `cdc`" }]);
    }
    clauses.push(`ADD COLUMN ${CDC_COLUMN}`);
  }
  return clauses;
}

/** A part of a definition in one line, without quotation marks around `data`. */
const plain = (text: string): string =>
  text.replaceAll('"data"[', "data[").replace(/\s+/g, " ").replaceAll("( ", "(").replaceAll(" )", ")");

function misfits(existing: Column, wanted: Column, path: readonly string[]): readonly string[] {
  const [is, should] = [existing, wanted].map(typeName);
  if (is !== should) return [`${columnName(path)} is ${is}, not ${should}`];
  const known = innermost(existing).children;
  return [...innermost(wanted).children ?? []].flatMap(([name, child]) => {
    const below = known?.get(name);
    return below ? misfits(below, child, [...path, name]) : [];
  });
}

/** Creates or changes a table by its design. @throws UnusableTableError for what the server refuses */
export async function asDesigned(
  table: TableName,
  { types, fulltext, with: settings }: TableDesign,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(types || fulltext || settings) || !isSinkError(error, "refused", "unspecific")) throw error;
    throw new UnusableTableError(`Table ${quoteTable(table)} cannot be as designed: ${error.message}`, {
      hint: "Correct types, fulltext or with.",
      cause: error,
    });
  }
}

/** Adds columns. Several relays may do this at the same time. */
export async function addMissing(
  transport: Transport,
  table: TableName,
  clauses: readonly string[],
): Promise<void> {
  for (const clause of clauses) {
    await transport.query(`ALTER TABLE ${quoteTable(table)} ${clause}`).catch(unlessKind("exists"));
  }
}
