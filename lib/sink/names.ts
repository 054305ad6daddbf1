/** SQL names and literals. */

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

/** @example IN: it"s → OUT: "it""s" */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** @example IN: {schema: "doc", name: "cdc-testdrive"} → OUT: "doc"."cdc-testdrive" */
export const quoteTable = ({ schema, name }: TableName): string => `${quoteName(schema)}.${quoteName(name)}`;

/** @example IN: ["a", "it's"] → OUT: data['a']['it''s'] */
export const subscript = (path: readonly string[]): string =>
  `data${path.map((name) => `['${name.replaceAll("'", "''")}']`).join("")}`;
