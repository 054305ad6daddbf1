/** Reads rows of a table that documents were written to. */
import { type Part, type PartType, partTypeOf } from "../../mapping/partition.ts";
import type { StoredRow } from "../../mapping/split_document.ts";
import { refreshTable, type Rows, type Transport, type Values } from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { IS_LIVE } from "./cdc_column.ts";
import { readColumns } from "./show_create_table.ts";
import type { TableDesign } from "./table_design.ts";

/** The row of a key, and the partitions in which it is: one, unless it was moved half. Empty without partitions. */
export interface FoundRow extends StoredRow {
  readonly parts: readonly Part[];
}

export class RowReader {
  /** @param columns none if the table does not exist */
  private constructor(
    private readonly transport: Transport,
    private readonly name: TableName,
    private readonly columns: ReadonlySet<string>,
    private readonly part: string | undefined,
    /** SQL condition for the rows: not those marked as deleted. */
    private readonly condition: string,
  ) {}

  static async open(
    transport: Transport,
    name: TableName,
    { partitionBy, deletes }: Pick<TableDesign, "partitionBy" | "deletes"> = {},
  ): Promise<RowReader> {
    const columns = await readColumns(transport, name);
    // A table that was made for another setting may have parts of another type.
    const asWanted = partitionBy && partTypeOf(partitionBy) === "bigint"
      ? "try_cast(part AS bigint)"
      : "part::text";
    const part = partitionBy && columns.has("part") ? asWanted : undefined;
    const condition = deletes === "soft" && columns.has("cdc") ? IS_LIVE : "TRUE";
    return new RowReader(transport, name, columns, part, condition);
  }

  get exists(): boolean {
    return this.columns.has("oid") && this.columns.has("data");
  }

  async refresh(): Promise<void> {
    if (this.exists) await refreshTable(this.transport, this.name);
  }

  async rows(oids: readonly string[]): Promise<ReadonlyMap<string, FoundRow>> {
    if (oids.length === 0) return new Map();
    const overflow = this.columns.has("overflow") ? "overflow::text" : "NULL";
    const where = `AND oid = ANY($1::${this.transport.dialect.lists[0]})`;
    const found = new Map<string, FoundRow>();
    const columns = `oid, data::text, ${overflow}, ${this.part ?? "NULL"}`;
    for (const [key, data, overflow, part] of await this.#select(columns, where, [oids])) {
      const oid = String(key);
      const parts = [...found.get(oid)?.parts ?? [], ...this.part ? [String(part ?? "")] : []];
      found.set(oid, { data: String(data ?? "{}"), overflow: overflow as string | null, parts });
    }
    return found;
  }

  async *keys(size: number): AsyncGenerator<string[]> {
    if (this.exists) yield* scanKeys(this.transport, this.name, { size, where: this.condition });
  }

  async sample(count: number): Promise<string[]> {
    return keysOf(await this.#select("oid", `ORDER BY random() LIMIT ${count}`));
  }

  async count(): Promise<number> {
    return Number((await this.#select("count(*)"))[0]?.[0] ?? 0);
  }

  async #select(columns: string, rest = "", parameters: Values = []): Promise<Rows> {
    if (!this.exists) return [];
    const sql = `SELECT ${columns} FROM ${quoteTable(this.name)} WHERE ${this.condition} ${rest}`.trim();
    return (await this.transport.query(sql, parameters)).rows;
  }
}

/** Selects the column `part`: of a timestamp, the milliseconds. */
export const selectPart = (type: PartType): string => type === "bigint" ? "part::bigint" : "part";

const keysOf = (rows: Rows): string[] => rows.map(([oid]) => String(oid));

/** Keys of the rows that queries see, in lists of at most `size`. */
export async function* scanKeys(
  transport: Transport,
  table: TableName,
  options: Omit<PagesOptions, "columns">,
): AsyncGenerator<string[]> {
  for await (const rows of scanTable(transport, table, { ...options, columns: ["oid"] })) yield keysOf(rows);
}

interface PagesOptions {
  /** SQL expressions, one for each value of a row. */
  readonly columns: readonly string[];
  /** SQL condition for the rows, and its parameters. @default {all rows} */
  readonly where?: string;
  readonly parameters?: Values;
  readonly size: number;
}

/** Reads rows by pages, ordered by `oid`, or by `md5(oid)` if CrateDB's two sort orders would make pages skip rows. */
export async function* scanTable(
  transport: Transport,
  table: TableName,
  { columns, where = "TRUE", parameters = [], size }: PagesOptions,
): AsyncGenerator<Rows> {
  const key = await hasTwoOrders(transport, table) ? "md5(oid)" : "oid";
  const select = `SELECT ${[key, ...columns].join(", ")} FROM ${quoteTable(table)} WHERE (${where})`;
  const order = `ORDER BY ${key} LIMIT ${size}`;
  let page = await transport.query(`${select} ${order}`, parameters);
  while (page.rows.length > 0) {
    yield page.rows.map((row) => row.slice(1));
    if (page.rows.length < size) return;
    const last = String(page.rows.at(-1)?.[0]);
    const sql = `${select} AND ${key} > $${parameters.length + 1} ${order}`;
    page = await transport.query(sql, [...parameters, last]);
  }
}

async function hasTwoOrders(transport: Transport, table: TableName): Promise<boolean> {
  const { twoOrders } = transport.dialect;
  if (twoOrders === undefined) return false;
  const sql = `SELECT 1 FROM ${quoteTable(table)} WHERE oid ~ $1 LIMIT 1`;
  return (await transport.query(sql, [twoOrders])).rows.length > 0;
}
