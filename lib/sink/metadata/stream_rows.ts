/** The rows of one stream in one of the relay's own tables. In its statements, `$1` is the stream. */
import {
  type QueryOptions,
  refreshTable,
  type Result,
  type Rows,
  type Transport,
  type Values,
} from "../connection/transport.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import type { MetadataTable } from "./metadata_tables.ts";

export interface StreamName {
  /** The schema of the relay's own tables. */
  readonly schema: string;
  readonly stream: string;
}

export abstract class StreamRows {
  protected readonly stream: string;
  protected readonly name: TableName;
  /** Its name in SQL. */
  protected readonly table: string;

  constructor(protected readonly transport: Transport, { schema, stream }: StreamName, name: MetadataTable) {
    this.stream = stream;
    this.name = { schema, name };
    this.table = quoteTable(this.name);
  }

  protected run(sql: string, parameters: Values, options?: QueryOptions): Promise<Result> {
    return this.transport.query(sql, [this.stream, ...parameters], options);
  }

  /** @param rest further conditions, and what follows them */
  protected async select(columns: string, rest = "", parameters: Values = []): Promise<Rows> {
    const sql = `SELECT ${columns} FROM ${this.table} WHERE stream = $1 ${rest}`;
    return (await this.run(sql, parameters)).rows;
  }

  protected async delete(rest: string, parameters: Values, options?: QueryOptions): Promise<void> {
    await this.run(`DELETE FROM ${this.table} WHERE stream = $1 ${rest}`, parameters, options);
  }

  protected refresh(): Promise<void> {
    return refreshTable(this.transport, this.name);
  }
}
