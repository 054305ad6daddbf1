/** Converts the columns below `data` from and to a table's definition. */
import { type Column, innermost, objectColumn, setColumn } from "../../mapping/column_tree.ts";
import type { Kind } from "../../mapping/column_types.ts";
import type { DefinedColumn } from "../table/show_create_table.ts";
import { quoteName } from "../sql/names.ts";

/** The kind of each CrateDB type. Columns of other types store no value. */
const KINDS: readonly (readonly [RegExp, Kind])[] = [
  [/^TEXT INDEX OFF STORAGE/, "longtext"],
  [/^TEXT\b/, "text"],
  [/^VARCHAR\(/, "varchar"],
  [/^CHARACTER\(/, "char"],
  [/^IP\b/, "ip"],
  [/^BIGINT\b/, "bigint"],
  [/^INTEGER\b/, "integer"],
  [/^SMALLINT\b/, "smallint"],
  [/^DOUBLE PRECISION\b/, "double"],
  [/^REAL\b/, "real"],
  [/^BOOLEAN\b/, "boolean"],
  [/^TIMESTAMP WITH(?:OUT)? TIME ZONE\b/, "timestamp"],
  // An OBJECT(IGNORED) with columns casts their values, and drops other values from arrays.
  [/^OBJECT\(IGNORED\)(?! AS \()/, "ignored"],
  [/^OBJECT\b/, "object"],
];

/** The CrateDB type of each kind of column that a relay creates. */
const TYPES: Readonly<Partial<Record<Kind, string>>> = {
  text: "TEXT",
  bigint: "BIGINT",
  double: "DOUBLE PRECISION",
  boolean: "BOOLEAN",
  timestamp: "TIMESTAMP WITH TIME ZONE",
  ignored: "OBJECT(IGNORED)",
};

/** @example IN: {kind: "array", element: {kind: "object", children: {x: bigint}}} → OUT: ARRAY(OBJECT(DYNAMIC) AS (… "x" BIGINT …)) */
export function typeText(column: Column, indent = "   "): string {
  if (column.element) return `ARRAY(${typeText(column.element, indent)})`;
  if (!column.children) return TYPES[column.kind] ?? "TEXT";
  const below = `${indent}   `;
  const lines = [...column.children].map(([name, child]) =>
    `\n${below}${quoteName(name)} ${typeText(child, below)}`
  );
  return lines.length === 0 ? "OBJECT(DYNAMIC)" : `OBJECT(DYNAMIC) AS (${lines.join(",")}\n${indent})`;
}

/** @example IN: array of {x: bigint} → OUT: ARRAY(OBJECT); IN: ip → OUT: IP; IN: ignored → OUT: OBJECT(IGNORED) */
export const typeName = ({ kind, element, children }: Column): string =>
  element ? `ARRAY(${typeName(element)})` : children ? "OBJECT" : TYPES[kind] ?? kind.toUpperCase();

/** The columns below `data`. @example IN: [data OBJECT(DYNAMIC) AS (, data.t BIGINT] → OUT: {t: bigint} */
export function columnTree(columns: readonly DefinedColumn[], { inferred = false } = {}): Column {
  let root: Column = objectColumn();
  for (const { path: [top, ...path], type } of columns) {
    const column = columnOf(type, inferred);
    if (top !== "data") continue;
    if (path.length === 0) root = column;
    else setColumn(root, path, column);
  }
  return root;
}

function columnOf(type: string, inferred: boolean): Column {
  if (type.startsWith("ARRAY(")) {
    return { kind: "array", element: columnOf(type.replace("ARRAY(", ""), inferred) };
  }
  const kind = KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? "unfit";
  if (kind === "object") {
    return /^OBJECT\((?:STRICT|IGNORED)\)/.test(type) ? { ...objectColumn(), closed: true } : objectColumn();
  }
  const [, length] = /^\w+\((\d+)\)/.exec(type) ?? [];
  if (length !== undefined && (kind === "varchar" || kind === "char")) {
    return { kind, length: Number(length) };
  }
  return { kind: kind === "bigint" && inferred ? "inferred" : kind };
}

/** The columns below `data` that store no values. @example IN: [data.place GEO_POINT, data.n BIGINT] → OUT: [data.place] */
export const unfitColumns = (columns: readonly DefinedColumn[]): readonly DefinedColumn[] =>
  columns.filter(({ path: [top], type }) =>
    top === "data" && innermost(columnOf(type, false)).kind === "unfit"
  );
