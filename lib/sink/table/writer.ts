/** Bulk upserts and deletes. Accounts for each row, because a bulk statement can drop rows without an error. */
import { Buffer } from "node:buffer";
import type { SplitDocument } from "../../mapping/split_document.ts";
import { UserError } from "../../util/errors.ts";
import { jsonBytes } from "../../util/json_writer.ts";
import { concurrently, Semaphore } from "../../util/concurrency.ts";
import { grouped } from "../../util/grouped.ts";
import { quoteTable } from "../sql/names.ts";
import { scanKeys } from "./row_reader.ts";
import type { TargetTable } from "./target_table.ts";
import { UnusableTableError } from "./unusable_table.ts";
import { faultOf, isSinkError, SinkError, type SinkErrorKind } from "../connection/sink_error.ts";
import { refreshTable, type Transport, WHOLE_TABLE_LIMIT_MS } from "../connection/transport.ts";
import type { WriteLimits } from "../connection/write_pace.ts";

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
  /** Of all callers together. They may change at any time. */
  readonly limits: WriteLimits;
  /** Bytes of statements in progress, shared by tables. @default {unlimited} */
  readonly inFlightBudget?: Semaphore;
}

/** CrateDB cannot parse the type of `data`, because of a character in a column's name. */
const UNREADABLE_COLUMN = /^(?:TypeSignatureParsingException\[)?line \d+:\d+: token recognition error/;
const NOTHING_LOST =
  "Nothing is lost: fix it, and start the relay again if it has ended; it resumes from the saved position.";

const EMPTY = jsonBytes("{}");

/** The bytes of a row, or of a key, in a statement. */
const bytesOf = (item: Row | string): number =>
  typeof item === "string"
    ? Buffer.byteLength(item)
    : Buffer.byteLength(item.oid) + item.data.length + (item.overflow?.length ?? 0);

const UNLIMITED = new Semaphore(Infinity);

/** Kinds of errors that are about the row alone. */
const ROW_KINDS: readonly SinkErrorKind[] = ["refused", "too large", "too many columns"];

const isOfRow = (error: SinkError): boolean =>
  isSinkError(error, ...ROW_KINDS) && !UNREADABLE_COLUMN.test(error.message);

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
    this.#statements = new Semaphore(() => options.limits.inFlight);
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
    const { limits, inFlightBudget: budget = UNLIMITED } = this.#options;
    const refused = await concurrently(this.#parts(rows), limits.inFlight, (chunk) => {
      const bytes = chunk.reduce((sum, row) => sum + bytesOf(row), 0);
      const write = () => this.#inParts(chunk, (part) => this.#upsertChunk(part));
      return this.#statements.run(() => budget.run(write, bytes));
    });
    return refused.flat();
  }

  /** Deletes rows. Refreshes first: CrateDB searches for several keys, and does not find rows written since. */
  async delete(oids: readonly string[]): Promise<void> {
    if (oids.length === 0) return;
    await this.refresh();
    const run = async (part: readonly string[]) => {
      await this.#transport.query(this.#delete, [part], { writes: true, isDivisible: part.length > 1 });
      return [];
    };
    const write = (chunk: readonly string[]) => this.#statements.run(() => this.#inParts(chunk, run));
    await concurrently(this.#parts(oids), this.#options.limits.inFlight, write);
  }

  /** Writes these, in ever smaller parts if the server is overloaded and refuses a statement. */
  async #inParts<T extends Row | string>(
    all: readonly T[],
    write: (part: readonly T[]) => Promise<RefusedRow[]>,
    most = Infinity,
  ): Promise<RefusedRow[]> {
    const refused: RefusedRow[] = [];
    // The limits may have fallen since these were put together.
    for (const part of this.#parts(all, most)) {
      try {
        refused.push(...await write(part));
      } catch (error) {
        if (part.length === 1 || !isSinkError(error, "overloaded")) throw error;
        refused.push(...await this.#inParts(part, write, Math.ceil(part.length / 2)));
      }
    }
    return refused;
  }

  /** What each statement may have, by the present limits. */
  #parts<T extends Row | string>(all: readonly T[], most = Infinity): Iterable<T[]> {
    const { statementRows, statementBytes } = this.#options.limits;
    return grouped(all, { count: Math.min(most, statementRows), weight: statementBytes, weightOf: bytesOf });
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

  /**
   * Finds the rows at fault of a chunk of which not all were written: by the errors of single rows, if the server reports
   * them, else by bisection. If none was written, the first one is written alone: its error may be that the table
   * accepts no rows at the moment.
   */
  async #upsertChunk(chunk: readonly Row[], isTrial = false): Promise<RefusedRow[]> {
    const [first] = chunk;
    if (!first) return [];
    if (chunk.length === 1) return await this.#upsertOne(first, isTrial);
    const written = await this.#upsertAll(chunk, isTrial);
    if (written === chunk.length) return [];
    if (this.#transport.dialect.rowErrors && !isTrial) {
      const { refused, unknown } = await this.#upsertEach(chunk);
      if (unknown.length < chunk.length) return [...refused, ...await this.#upsertChunk(unknown, true)];
    }
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
      const options = { writes: true, isTrial, isDivisible: true };
      return (await this.#transport.query(this.#upsert, this.#arguments(chunk), options)).count;
    } catch (error) {
      this.#rowError(error);
      return 0;
    }
  }

  /** Writes rows by one statement for each. @returns the refused ones, and those with an unknown result */
  async #upsertEach(chunk: readonly Row[]) {
    const refused: RefusedRow[] = [];
    let unknown = chunk;
    // The server returns at most ten errors of each shard.
    for (let before = Infinity; unknown.length > 1 && unknown.length < before;) {
      before = unknown.length;
      const errors = await this.#errorsOfEach(unknown);
      // Before 5.10.11, CrateDB gives all rows the error of the first one that cannot be converted.
      if (errors[0] && errors.every((each) => each?.message === errors[0]?.message)) break;
      refused.push(...unknown.flatMap(({ oid }, at): RefusedRow[] => {
        const error = errors[at];
        return error ? [{ oid, error: error.message, kind: error.kind }] : [];
      }));
      unknown = unknown.filter((_, at) => errors[at] === undefined);
    }
    return { refused, unknown };
  }

  /** @returns the error of each row, null if it was written, undefined if it has to be written alone to find out */
  async #errorsOfEach(rows: readonly Row[]): Promise<readonly (SinkError | null | undefined)[]> {
    try {
      const options = { writes: true, isTrial: true, isDivisible: true, forEach: true };
      const { errors = [] } = await this.#transport.query(this.#insertOne, this.#arguments(rows), options);
      return errors.map((error) => error && (isOfRow(error) ? error : undefined));
    } catch (error) {
      this.#rowError(error);
      return [];
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
