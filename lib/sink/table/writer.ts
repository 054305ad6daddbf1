/** Bulk upserts and deletes. Accounts for each row, because a bulk statement can drop rows without an error. */
import { Buffer } from "node:buffer";
import type { SplitDocument } from "../../mapping/split_document.ts";
import { UserError } from "../../util/errors.ts";
import { jsonBytes } from "../../util/json_writer.ts";
import { concurrently, Semaphore } from "../../util/concurrency.ts";
import { quoteTable } from "../sql/names.ts";
import { scanKeys } from "./row_reader.ts";
import type { TargetTable } from "./target_table.ts";
import { UnusableTableError } from "./unusable_table.ts";
import { faultOf, isSinkError, SinkError, type SinkErrorKind } from "../connection/sink_error.ts";
import { refreshTable, type Transport, WHOLE_TABLE_LIMIT_MS } from "../connection/transport.ts";

/** A row of a table; its JSON is as {@linkcode jsonBytes} makes it. */
export interface Row extends Pick<SplitDocument, "data" | "overflow"> {
  readonly oid: string;
}

export interface RefusedRow {
  readonly oid: string;
  readonly error: string;
  readonly kind: SinkErrorKind;
}

export interface WriterOptions {
  readonly statementRows: number;
  readonly statementBytes: number;
  /** Statements at once, of all callers. */
  readonly inFlight: number;
  /** Bytes of statements in progress, shared by tables. @default {unlimited} */
  readonly inFlightBudget?: Semaphore;
}

/** CrateDB cannot parse the type of `data`, because of a character in a column's name. */
const UNREADABLE_COLUMN = /^(?:TypeSignatureParsingException\[)?line \d+:\d+: token recognition error/;
const NOTHING_LOST =
  "Nothing is lost: fix it, and start the relay again if it has ended; it resumes from the saved position.";

const EMPTY = jsonBytes("{}");

/** The bytes of a row in a statement. */
const bytesOf = ({ oid, data, overflow }: Row): number =>
  Buffer.byteLength(oid) + data.length + (overflow?.length ?? 0);

const UNLIMITED = new Semaphore(Infinity);

export class Writer {
  readonly #transport: Transport;
  readonly #table: TargetTable;
  readonly #options: WriterOptions;
  readonly #upsert: string;
  readonly #insertOne: string;
  readonly #delete: string;
  readonly #deleteOne: string;
  readonly #statements: Semaphore;

  constructor(transport: Transport, table: TargetTable, options: WriterOptions) {
    this.#transport = transport;
    this.#table = table;
    this.#options = options;
    this.#statements = new Semaphore(options.inFlight);
    const target = quoteTable(table);
    const columns = table.hasOverflow ? ["oid", "data", "overflow"] : ["oid", "data"];
    const types = transport.dialect.lists.slice(0, columns.length);
    const arrays = types.map((type, index) => `$${index + 1}::${type}`).join(", ");
    const update = columns.slice(1).map((name) => `${name} = excluded.${name}`).join(", ");
    const into = `INSERT INTO ${target} (${columns.join(", ")})`;
    const conflict = `ON CONFLICT (oid) DO UPDATE SET ${update}`;
    this.#upsert = `${into} (SELECT * FROM UNNEST(${arrays})) ${conflict}`;
    const firsts = types.map((type, index) => `($${index + 1}::${type})[1]`).join(", ");
    this.#insertOne = `${into} VALUES (${firsts}) ${conflict}`;
    this.#delete = `DELETE FROM ${target} WHERE oid = ANY($1::${types[0]})`;
    this.#deleteOne = `DELETE FROM ${target} WHERE oid = $1`;
  }

  /** Writes rows of different keys. @returns the refused ones @throws UserError if the sink accepts no row at all */
  async upsert(rows: readonly Row[]): Promise<RefusedRow[]> {
    const { inFlightBudget: budget = UNLIMITED } = this.#options;
    const refused = await concurrently(
      this.#chunks(rows),
      this.#options.inFlight,
      ({ rows, bytes }) => this.#statements.run(() => budget.run(() => this.#upsertChunk(rows), bytes)),
    );
    return refused.flat();
  }

  /** Deletes rows. Refreshes first: CrateDB searches for several keys, and does not find rows written since. */
  async delete(oids: readonly string[]): Promise<void> {
    if (oids.length === 0) return;
    await this.refresh();
    const chunks: string[][] = [];
    const size = this.#options.statementRows;
    for (let at = 0; at < oids.length; at += size) chunks.push(oids.slice(at, at + size));
    const run = (chunk: string[]) => this.#transport.query(this.#delete, [chunk], { writes: true });
    await concurrently(chunks, this.#options.inFlight, (chunk) => this.#statements.run(() => run(chunk)));
  }

  async truncate(): Promise<void> {
    await this.refresh();
    const options = { writes: true, limitMs: WHOLE_TABLE_LIMIT_MS };
    await this.#transport.query(`DELETE FROM ${quoteTable(this.#table)}`, [], options);
    await this.refresh();
  }

  /** @returns why the table was not dropped: a view of PostgreSQL needs it, or CrateDB takes a snapshot of it */
  async drop(): Promise<"needed" | "backup running" | undefined> {
    try {
      await this.#transport.query(`DROP TABLE IF EXISTS ${quoteTable(this.#table)}`);
      return undefined;
    } catch (error) {
      for (const kind of ["needed", "backup running"] as const) if (isSinkError(error, kind)) return kind;
      throw error;
    }
  }

  keys(size: number): AsyncGenerator<string[]> {
    return scanKeys(this.#transport, this.#table, { size });
  }

  refresh(): Promise<void> {
    return refreshTable(this.#transport, this.#table);
  }

  *#chunks(rows: readonly Row[]): Iterable<{ readonly rows: readonly Row[]; readonly bytes: number }> {
    const { statementRows, statementBytes } = this.#options;
    let chunk: Row[] = [];
    let size = 0;
    for (const row of rows) {
      const rowSize = bytesOf(row);
      if (chunk.length > 0 && (chunk.length >= statementRows || size + rowSize > statementBytes)) {
        yield { rows: chunk, bytes: size };
        chunk = [];
        size = 0;
      }
      chunk.push(row);
      size += rowSize;
    }
    if (chunk.length > 0) yield { rows: chunk, bytes: size };
  }

  /**
   * Bisects a chunk of which not all rows were written down to the rows at fault. If none was written, the first one is
   * written alone: its error may be that the table accepts no rows at the moment.
   */
  async #upsertChunk(chunk: readonly Row[], isTrial = false): Promise<RefusedRow[]> {
    const [first] = chunk;
    if (!first) return [];
    if (chunk.length === 1) return await this.#upsertOne(first, isTrial);
    const written = await this.#upsertAll(chunk, isTrial);
    if (written === chunk.length) return [];
    const refused = written === 0 ? await this.#upsertOne(first, isTrial) : [];
    const rest = written === 0 ? chunk.slice(1) : chunk;
    const middle = rest.length >> 1;
    return [
      ...refused,
      ...await this.#upsertChunk(rest.slice(0, middle), true),
      ...await this.#upsertChunk(rest.slice(middle), true),
    ];
  }

  /** @returns the number of rows written; 0 for an error that a row may have caused */
  async #upsertAll(chunk: readonly Row[], isTrial: boolean): Promise<number> {
    try {
      const options = { writes: true, isTrial };
      return (await this.#transport.query(this.#upsert, this.#arguments(chunk), options)).count;
    } catch (error) {
      this.#rowError(error);
      return 0;
    }
  }

  /** Writes one row by VALUES, which reports the error that a bulk statement hides. */
  async #upsertOne(row: Row, isTrial: boolean): Promise<RefusedRow[]> {
    const { oid } = row;
    try {
      const options = { writes: true, isTrial };
      const { count } = await this.#transport.query(this.#insertOne, this.#arguments([row]), options);
      const error = `${this.#transport.dialect.name} did not store the row and gave no reason`;
      return count === 1 ? [] : [{ oid, error, kind: "refused" }];
    } catch (error) {
      const refusal = this.#rowError(error);
      const { message, kind } = refusal;
      if (kind === "unspecific" && !await this.#takesEmpty(oid)) throw this.#tableError(refusal);
      return [{ oid, error: message, kind }];
    }
  }

  /** Whether the table accepts an empty row with this key, which is deleted: then an unknown error is about the values. */
  async #takesEmpty(oid: string): Promise<boolean> {
    const options = { writes: true, isTrial: true };
    try {
      const empty = this.#arguments([{ oid, data: EMPTY, overflow: null }]);
      await this.#transport.query(this.#insertOne, empty, options);
      await this.#transport.query(this.#deleteOne, [oid], options);
      return true;
    } catch (error) {
      return this.#rowError(error).kind !== "unspecific";
    }
  }

  #arguments(chunk: readonly Row[]) {
    const oids = chunk.map(({ oid }) => oid);
    const data = { json: chunk.map(({ data }) => data) };
    return this.#table.hasOverflow
      ? [oids, data, { json: chunk.map(({ overflow }) => overflow) }]
      : [oids, data];
  }

  /** @throws an error that a row cannot cause */
  #rowError(error: unknown): SinkError {
    if (!(error instanceof SinkError) || faultOf(error) === "server") throw error;
    if (faultOf(error) === "row" && !UNREADABLE_COLUMN.test(error.message)) return error;
    throw this.#tableError(error);
  }

  /** Unspecific errors and those of the login may concern the whole server, and end the relay. */
  #tableError(error: SinkError): UserError {
    const isUnreadable = UNREADABLE_COLUMN.test(error.message);
    const isOfServer = !isUnreadable && ["login", "unspecific"].includes(error.kind);
    const why = isUnreadable
      ? "A column below `data` has a backslash or a control character in its name. "
      : "";
    return new (isOfServer ? UserError : UnusableTableError)(
      `${this.#transport.dialect.name} refuses to write to ${quoteTable(this.#table)}: ${error.message}`,
      { hint: why + NOTHING_LOST, cause: error },
    );
  }
}
