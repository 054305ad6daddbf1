/** What a table is like, apart from its columns below `data`. */
import type { Column } from "../../mapping/column_tree.ts";
import {
  type DesignedTypes,
  type FulltextIndex,
  type Shadow,
  SHADOWS,
} from "../../mapping/designed_types.ts";
import { type PartitionBy, type PartType, partTypeOf } from "../../mapping/partition.ts";
import type { ColumnMode, Dialect } from "../sql/dialect.ts";
import { quoteName, quoteText, subscript } from "../sql/names.ts";
import { CDC_COLUMN, type CdcSettings, needsCdc } from "./cdc_column.ts";
import { typeText } from "./column_definition.ts";
import { UnusableTableError } from "./unusable_table.ts";

export interface TableDesign extends CdcSettings {
  readonly columns: ColumnMode;
  /** How rows are divided into partitions; undefined for a table without. */
  readonly partitionBy?: PartitionBy | undefined;
  /** Of a new table, or a new partition; undefined for the server's default. */
  readonly shards?: number | undefined;
  /** Copies of each shard, as CrateDB writes them: `0-1`. */
  readonly replicas?: string | undefined;
  /** Columns that documents do not decide. */
  readonly types?: DesignedTypes | undefined;
  readonly fulltext?: readonly FulltextIndex[] | undefined;
  /** Further settings of a new table. */
  readonly with?: TableSettings | undefined;
}

export type TableSettings = Readonly<Record<string, string | number | boolean>>;

const PART_COLUMNS: Readonly<Record<PartType, string>> = {
  bigint: '"part" TIMESTAMP WITH TIME ZONE',
  text: '"part" TEXT',
};

export const shadowsOf = (types: DesignedTypes = {}): Readonly<Partial<Record<Shadow, Column>>> =>
  Object.fromEntries(SHADOWS.flatMap((name) => types[name] ? [[name, types[name]]] : []));

export const indexText = ({ name, columns, analyzer }: FulltextIndex): string =>
  `INDEX ${quoteName(name)} USING FULLTEXT (${
    columns.map((path) => subscript(path.map(({ name }) => name))).join(", ")
  }) WITH (analyzer = ${quoteText(analyzer)})`;

/**
 * The definition of a new table, as `SHOW CREATE TABLE` prints the columns. `data` is the type of the column `data`.
 * @example
 * IN: {columns: "typed", shards: 1} → OUT: (oid TEXT PRIMARY KEY, data OBJECT(DYNAMIC), overflow OBJECT(IGNORED)) CLUSTERED BY (oid) INTO 1 SHARDS
 * IN: {partitionBy: {unit: "month", …}, …} → OUT: (oid TEXT, part TIMESTAMP …, …, PRIMARY KEY (oid, part)) … PARTITIONED BY (part)
 * @throws UnusableTableError if the server has no partitions, types and indexes, or no column `cdc`
 */
export function tableDefinition(
  { name, isJsonb, dataDefinition, overflowDefinition: overflow }: Dialect,
  { columns, partitionBy, shards, replicas, types, fulltext = [], with: further = {}, ...cdc }: TableDesign,
  data = types?.data ? typeText(types.data) : dataDefinition[columns],
): string {
  if (isJsonb && (partitionBy || types || fulltext.length > 0 || needsCdc(cdc))) {
    throw new UnusableTableError(
      `--partition-by, types and --deletes soft need CrateDB: the server is ${name}`,
      { hint: "Leave them out. --deletes keep is possible." },
    );
  }
  const part = partitionBy && PART_COLUMNS[partTypeOf(partitionBy)];
  const shadows = Object.entries(shadowsOf(types)).map(([shadow, column]) =>
    `"${shadow}" ${typeText(column, { policy: "STRICT" })}`
  );
  const own = [`"data" ${data}`, `"overflow" ${overflow}`, ...shadows, ...needsCdc(cdc) ? [CDC_COLUMN] : []];
  const lines = [
    ...part
      ? ['"oid" TEXT', part, ...own, 'PRIMARY KEY ("oid", "part")']
      : ['"oid" TEXT PRIMARY KEY', ...own],
    ...fulltext.map(indexText),
  ];
  const all = { ...replicas && { number_of_replicas: replicas }, ...further };
  const settings = Object.entries(all).map(([name, value]) =>
    `${quoteName(name)} = ${typeof value === "string" ? quoteText(value) : value}`
  );
  const clauses = isJsonb ? [] : [
    ...part || shards !== undefined ? ["CLUSTERED BY (oid)"] : [],
    ...shards === undefined ? [] : [`INTO ${shards} SHARDS`],
    ...part ? ["PARTITIONED BY (part)"] : [],
    ...settings.length === 0 ? [] : [`WITH (${settings.join(", ")})`],
  ];
  return [`(\n   ${lines.join(",\n   ")}\n)`, ...clauses].join(" ");
}

/** The settings of a table that exists, by its definition, without those that close it. */
export function settingsIn(definition: string): TableSettings {
  const [, settings = ""] = /^WITH \(\n([^]*)\n\)/m.exec(definition) ?? [];
  const found = settings.matchAll(/^ +"?([\w.]+)"? = (?:'(.*)'|(.*?)),?$/gm);
  return Object.fromEntries(
    [...found].filter(([, name = ""]) => !name.startsWith("blocks."))
      .map(([, name, text, value = ""]) => [name, text ?? JSON.parse(value)]),
  );
}

export function shardsIn(definition: string): number | undefined {
  const [, shards] = /^CLUSTERED .*INTO (\d+) SHARDS/m.exec(definition) ?? [];
  return shards === undefined ? undefined : Number(shards);
}

/** What a rebuild would change in a table that exists, beside its columns. @example OUT: ["shards: 4, not 1"] */
export function settingsBeside(
  definition: string,
  { shards, replicas, with: further }: TableDesign,
): readonly string[] {
  const existing: TableSettings = { shards: shardsIn(definition) ?? 0, ...settingsIn(definition) };
  const wanted = { ...shards && { shards }, ...replicas && { number_of_replicas: replicas }, ...further };
  return Object.entries(wanted).flatMap(([name, value]) => {
    const is = existing[name];
    return is !== undefined && asShown(is) === asShown(value)
      ? []
      : [`${name}: ${is ?? "not set"}, not ${value}`];
  });
}

const UNITS: Readonly<Record<string, number>> = {
  ...{ ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 },
  ...{ b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 },
};

/** CrateDB shows times in milliseconds, and sizes in bytes. @example IN: 5s → OUT: 5000; IN: REQUEST → OUT: request */
function asShown(value: string | number | boolean): string {
  const text = String(value).toLowerCase();
  const [, count, unit = ""] = /^(\d+)([a-z]+)$/.exec(text) ?? [];
  const factor = UNITS[unit];
  return factor === undefined ? text : String(Number(count) * factor);
}

const KEY = /^ +(?:CONSTRAINT .*)?PRIMARY KEY \("?oid"?(, "part")?\),?$/m;

/** The partitions of a table that exists, by its definition; undefined if its key is another one. */
export function partitionsIn(
  definition: string,
  typeOfPart: string | undefined,
): PartType | "none" | undefined {
  const [found, part] = KEY.exec(definition) ?? [];
  if (found === undefined) return undefined;
  if (part === undefined) return /^PARTITIONED BY/m.test(definition) ? undefined : "none";
  if (!/^PARTITIONED BY \("part"\)$/m.test(definition)) return undefined;
  return typeOfPart === "TIMESTAMP" ? "bigint" : typeOfPart === "TEXT" ? "text" : undefined;
}
