/**
 * The kinds of column below `data`.
 *
 * - `varchar` is text of a limited length, `char` of a fixed one, `ip` text that is an address.
 * - `longtext` is text without Lucene's limit, `inferred` a BIGINT that CrateDB may have made from dates.
 * - `ignored` takes all objects, `jsonb` what PostgreSQL's type keeps unchanged.
 * - `any` takes what the column made for the value would take, `unfit` takes nothing.
 */
export type Kind =
  | "text"
  | "longtext"
  | "varchar"
  | "char"
  | "ip"
  | "bigint"
  | "inferred"
  | "integer"
  | "smallint"
  | "double"
  | "real"
  | "boolean"
  | "timestamp"
  | "object"
  | "array"
  | "ignored"
  | "any"
  | "jsonb"
  | "unfit";
