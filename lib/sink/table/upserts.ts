/** Writes the rows of one statement, and finds those that the table refuses. */
import { UserError } from "../../util/errors.ts";
import { jsonBytes } from "../../util/json_writer.ts";
import {
  faultOf,
  isSinkError,
  refusalText,
  ROW_KINDS,
  SinkError,
  type SinkErrorKind,
} from "../connection/sink_error.ts";
import type { Transport } from "../connection/transport.ts";
import { quoteTable } from "../sql/names.ts";
import { rowStatements } from "./row_statements.ts";
import type { Row } from "./row.ts";
import type { TargetTable } from "./target_table.ts";
import { UnusableTableError } from "./unusable_table.ts";

export interface RefusedRow {
  readonly oid: string;
  /** The server's whole message, which may quote values of the document. */
  readonly error: string;
  /** The same for a log, without values. */
  readonly reason: string;
  readonly kind: SinkErrorKind;
}

/** CrateDB cannot parse the type of `data`, because of a character in a column's name. */
const UNREADABLE_COLUMN = /^(?:TypeSignatureParsingException\[)?line \d+:\d+: token recognition error/;
const NOTHING_LOST =
  "Nothing is lost: fix it, and start the relay again if it has ended; it resumes from the saved position.";

const EMPTY = jsonBytes("{}");

const isOfRow = (error: SinkError): boolean =>
  isSinkError(error, ...ROW_KINDS) && !UNREADABLE_COLUMN.test(error.message);

export class Upserts {
  readonly #sql: ReturnType<typeof rowStatements>;

  constructor(private readonly transport: Transport, private readonly table: TargetTable) {
    this.#sql = rowStatements(transport.dialect, table);
  }

  /**
   * Finds the rows at fault of a chunk of which not all were written: by the errors of single rows, if the server reports
   * them, else by bisection. If none was written, the first one is written alone: its error may be that the table
   * accepts no rows at the moment.
   */
  async write(chunk: readonly Row[], isTrial = false): Promise<RefusedRow[]> {
    const [first] = chunk;
    if (!first) return [];
    if (chunk.length === 1) return await this.#writeOne(first, isTrial);
    const written = await this.#writeAll(chunk, isTrial);
    if (written === chunk.length) return [];
    if (this.transport.dialect.rowErrors && !isTrial) {
      const { refused, unknown } = await this.#writeEach(chunk);
      if (unknown.length < chunk.length) return [...refused, ...await this.write(unknown, true)];
    }
    const refused = written === 0 ? await this.#writeOne(first, isTrial) : [];
    const rest = written === 0 ? chunk.slice(1) : chunk;
    const middle = rest.length >> 1;
    refused.push(...await this.write(rest.slice(0, middle), true));
    return [...refused, ...await this.write(rest.slice(middle), true)];
  }

  /** @returns the number of rows written; 0 for an error that a row may have caused */
  async #writeAll(chunk: readonly Row[], isTrial: boolean): Promise<number> {
    try {
      const options = { writes: true, isTrial, isDivisible: true };
      return (await this.transport.query(this.#sql.upsert, this.#sql.parameters(chunk), options)).count;
    } catch (error) {
      this.#rowError(error);
      return 0;
    }
  }

  /** Writes rows by one statement for each. @returns the refused ones, and those with an unknown result */
  async #writeEach(chunk: readonly Row[]) {
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
        return error ? [this.#refused(oid, error)] : [];
      }));
      unknown = unknown.filter((_, at) => errors[at] === undefined);
    }
    return { refused, unknown };
  }

  /** @returns the error of each row, null if it was written, undefined if it has to be written alone to find out */
  async #errorsOfEach(rows: readonly Row[]): Promise<readonly (SinkError | null | undefined)[]> {
    try {
      const options = { writes: true, isTrial: true, isDivisible: true, forEach: true };
      const parameters = this.#sql.parameters(rows);
      const { errors = [] } = await this.transport.query(this.#sql.insertOne, parameters, options);
      return errors.map((error) => error && (isOfRow(error) ? error : undefined));
    } catch (error) {
      this.#rowError(error);
      return [];
    }
  }

  /** Writes one row by VALUES, which reports the error that a bulk statement hides. */
  async #writeOne(row: Row, isTrial: boolean): Promise<RefusedRow[]> {
    const { oid } = row;
    try {
      const options = { writes: true, isTrial };
      const { count } = await this.transport.query(this.#sql.insertOne, this.#sql.parameters([row]), options);
      const error = `${this.transport.dialect.name} did not store the row and gave no reason`;
      return count === 1 ? [] : [{ oid, error, reason: error, kind: "refused" }];
    } catch (error) {
      const refusal = this.#rowError(error);
      if (refusal.kind === "unspecific") await this.#takesEmpty(row);
      return [this.#refused(oid, refusal)];
    }
  }

  #refused(oid: string, error: SinkError): RefusedRow {
    const reason = refusalText(this.transport.dialect.name, error);
    return { oid, error: error.message, reason, kind: error.kind };
  }

  /**
   * Returns if the table accepts an empty row with this key, which is deleted: then an unknown error is about the values.
   * @throws the error of the empty row, which quotes no values, if that is unknown too
   */
  async #takesEmpty({ oid, part }: Row): Promise<void> {
    const options = { writes: true, isTrial: true };
    try {
      const row = { oid, part, data: EMPTY, overflow: null };
      await this.transport.query(this.#sql.insertOne, this.#sql.parameters([row]), options);
      await this.transport.query(this.#sql.deleteOne, [oid], options);
    } catch (error) {
      const refusal = this.#rowError(error);
      if (refusal.kind === "unspecific") throw this.#tableError(refusal);
    }
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
      `${this.transport.dialect.name} refuses to write to ${quoteTable(this.table)}: ${error.message}`,
      { hint: why + NOTHING_LOST, cause: error },
    );
  }
}
