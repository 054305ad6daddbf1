/** SQL names and literals. */

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** @example IN: it"s → OUT: "it""s" */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** @example IN: {schema: "doc", name: "cdc-testdrive"} → OUT: "doc"."cdc-testdrive" */
export const quoteTable = ({ schema, name }: TableName): string => `${quoteName(schema)}.${quoteName(name)}`;

/** @example IN: ["overflow", "a", "it's"] → OUT: overflow['a']['it''s'] */
export const columnName = ([top = "", ...path]: readonly string[]): string =>
  `${top}${path.map((name) => `['${name.replaceAll("'", "''")}']`).join("")}`;

/** @example IN: ["a", "it's"] → OUT: data['a']['it''s'] */
export const subscript = (path: readonly string[]): string => columnName(["data", ...path]);

/**
 * @example
 * IN: weather.readings → OUT: {schema: "weather", name: "readings"}
 * IN: "a.b" (with the quotes) → OUT: {schema: <default>, name: "a.b"}
 *
 * @throws RangeError
 */
export function tableName(text: string, schema: string): TableName {
  const name = /"(?:[^"]|"")+"|[^".]+/.source;
  const [, first, second] = new RegExp(`^(${name})(?:\\.(${name}))?$`).exec(text) ?? [];
  if (first === undefined) {
    throw new RangeError(
      'is neither TABLE nor SCHEMA.TABLE (a name with a dot in it goes in double quotes: "a.b")',
    );
  }
  return Object.freeze(
    second === undefined
      ? { schema, name: unquoted(first) }
      : { schema: unquoted(first), name: unquoted(second) },
  );
}

const unquoted = (name: string): string =>
  name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
