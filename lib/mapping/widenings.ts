/** Column types that are widened when values arrive which they cannot take: everything that is known about each. */
import type { Kind } from "./column_types.ts";

export interface WideningRule {
  /** The kinds of column that become wider, and the kind of value that makes them. */
  readonly from: readonly Kind[];
  readonly to: Kind;
  /** The same in SQL. */
  readonly fromType: string;
  readonly toType: string;
  /** The largest integer that the wider column holds as it is; larger ones move to `overflow`. */
  readonly maxExact: number;
}

/** A BIGINT column that meets `20.5`. Doubles hold integers up to 2^53. */
export const INTEGER_TO_DOUBLE: WideningRule = {
  from: ["bigint", "inferred"],
  to: "double",
  fromType: "BIGINT",
  toType: "DOUBLE PRECISION",
  maxExact: 2 ** 53,
};

/**
 * The kind that a column of one kind has to become to take values of another; undefined where none is wider.
 *
 * @example
 * IN: bigint, double → OUT: double; IN: bigint, text → OUT: undefined
 */
export const widerKind = (column: Kind, value: Kind): Kind | undefined =>
  INTEGER_TO_DOUBLE.from.includes(column) && value === INTEGER_TO_DOUBLE.to ? value : undefined;

/** @example IN: ARRAY(BIGINT) → OUT: ARRAY(DOUBLE PRECISION) */
export const widerType = (type: string): string =>
  type.replace(
    new RegExp(`^((?:ARRAY\\()*)${INTEGER_TO_DOUBLE.fromType}\\b`),
    `$1${INTEGER_TO_DOUBLE.toType}`,
  );

/**
 * SQL conditions for rows that may have to change when a column is widened: those with something in `overflow`, and
 * those with an integer that the wider column would round.
 *
 * @param column SQL of the column
 * @param arrays how many arrays the value is in
 *
 * @example
 * IN: data['t'], 0 → OUT: ["overflow IS NOT NULL", "data['t'] > 9007199254740992", "data['t'] < -9007199254740992"]
 */
export function rowsToRemap(column: string, arrays: number): string[] {
  const { maxExact } = INTEGER_TO_DOUBLE;
  switch (arrays) {
    case 0:
      return ["overflow IS NOT NULL", `${column} > ${maxExact}`, `${column} < -${maxExact}`];
    case 1:
      return ["overflow IS NOT NULL", `${maxExact} < ANY(${column})`, `-${maxExact} > ANY(${column})`];
    default:
      return ["overflow IS NOT NULL", `${column} IS NOT NULL`];
  }
}
