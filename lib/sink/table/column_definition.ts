/** Converts the columns below `data`, and those beside it, from and to a table's definition. */
import { type Column, innermost, objectColumn, setColumn } from "../../mapping/column_tree.ts";
import type { Kind } from "../../mapping/column_types.ts";
import type { DefinedColumn } from "./show_create_table.ts";
import { CRATEDB } from "../sql/dialect.ts";
import { quoteName } from "../sql/names.ts";

/**
 * Each kind of column: its CrateDB type in a definition, and the type of one that a relay creates. Columns of other types
 * store no value.
 */
const KINDS: readonly (readonly [Kind, RegExp, ((column: Column) => string)?])[] = [
  ["longtext", /^TEXT INDEX OFF STORAGE/, () => CRATEDB.longText],
  ["text", /^TEXT\b/, () => "TEXT"],
  ["varchar", /^VARCHAR\(/],
  ["char", /^CHARACTER\(/],
  ["ip", /^IP\b/],
  ["uuid", /^UUID\b/, () => "UUID"],
  ["numeric", /^NUMERIC\(/, ({ numeric }) => `NUMERIC(${numeric?.precision}, ${numeric?.scale})`],
  ["geo_point", /^GEO_POINT\b/, () => "GEO_POINT"],
  ["geo_shape", /^GEO_SHAPE\b/, () => "GEO_SHAPE"],
  ["float_vector", /^FLOAT_VECTOR\(/, ({ length }) => `FLOAT_VECTOR(${length})`],
  ["bigint", /^BIGINT\b/, () => "BIGINT"],
  ["integer", /^INTEGER\b/],
  ["smallint", /^SMALLINT\b/],
  ["double", /^DOUBLE PRECISION\b/, () => "DOUBLE PRECISION"],
  ["real", /^REAL\b/],
  ["boolean", /^BOOLEAN\b/, () => "BOOLEAN"],
  ["timestamp", /^TIMESTAMP WITH(?:OUT)? TIME ZONE\b/, () => "TIMESTAMP WITH TIME ZONE"],
  // An OBJECT(IGNORED) with columns casts their values, and drops other values from arrays.
  ["ignored", /^OBJECT\(IGNORED\)(?! AS \()/, () => "OBJECT(IGNORED)"],
  ["object", /^OBJECT\b/],
];

/** Undefined for a kind that no relay creates. */
const createdType = (column: Column): string | undefined =>
  KINDS.find(([kind]) => kind === column.kind)?.[2]?.(column);

interface TypeTextOptions {
  /** Of the line that the type is in. */
  readonly indent?: string;
  /** Whether objects take further columns. */
  readonly policy?: "DYNAMIC" | "STRICT";
}

/** @example IN: {kind: "array", element: {kind: "object", children: {x: bigint}}} → OUT: ARRAY(OBJECT(DYNAMIC) AS (… "x" BIGINT …)) */
export function typeText(
  column: Column,
  { indent = "   ", policy = "DYNAMIC" }: TypeTextOptions = {},
): string {
  if (column.element) return `ARRAY(${typeText(column.element, { indent, policy })})`;
  if (!column.children) return createdType(column) ?? "TEXT";
  const below = `${indent}   `;
  const lines = [...column.children].map(([name, child]) =>
    `\n${below}${quoteName(name)} ${typeText(child, { indent: below, policy })}`
  );
  return lines.length === 0 ? `OBJECT(${policy})` : `OBJECT(${policy}) AS (${lines.join(",")}\n${indent})`;
}

/** @example IN: array of {x: bigint} → OUT: ARRAY(OBJECT); IN: ip → OUT: IP; IN: ignored → OUT: OBJECT(IGNORED) */
export const typeName = (column: Column): string =>
  column.element
    ? `ARRAY(${typeName(column.element)})`
    : column.children
    ? "OBJECT"
    : createdType(column) ?? column.kind.toUpperCase();

/** The columns below `data`, or another one. @example IN: [data OBJECT(DYNAMIC) AS (, data.t BIGINT] → OUT: {t: bigint} */
export function columnTree(
  columns: readonly DefinedColumn[],
  { inferred = false, root: name = "data" } = {},
): Column {
  let root: Column = objectColumn();
  for (const { path: [top, ...path], type } of columns) {
    if (top !== name) continue;
    const column = columnOf(type, inferred);
    if (path.length === 0) root = column;
    else setColumn(root, path, column);
  }
  return root;
}

function columnOf(type: string, inferred: boolean): Column {
  if (type.startsWith("ARRAY(")) {
    return { kind: "array", element: columnOf(type.replace("ARRAY(", ""), inferred) };
  }
  const kind = KINDS.find(([, pattern]) => pattern.test(type))?.[0] ?? "unfit";
  if (kind === "object") {
    return /^OBJECT\((?:STRICT|IGNORED)\)/.test(type) ? { ...objectColumn(), closed: true } : objectColumn();
  }
  const [, length, scale = 0] = /^\w+\((\d+)(?:, (\d+))?\)/.exec(type) ?? [];
  if (length === undefined) return { kind: kind === "bigint" && inferred ? "inferred" : kind };
  if (kind === "numeric") return { kind, numeric: { precision: Number(length), scale: Number(scale) } };
  return SIZED.includes(kind) ? { kind, length: Number(length) } : { kind };
}

const SIZED: readonly Kind[] = ["varchar", "char", "float_vector"];
const UNFIT: readonly Kind[] = ["unfit", "geo_point", "geo_shape", "float_vector"];

/** The columns below `data` that store no values. @example IN: [data.place GEO_POINT, data.n BIGINT] → OUT: [data.place] */
export const unfitColumns = (columns: readonly DefinedColumn[]): readonly DefinedColumn[] =>
  columns.filter(({ path: [top], type }) =>
    top === "data" && UNFIT.includes(innermost(columnOf(type, false)).kind)
  );
