/**
 * Dead letters: documents that no row could hold, with the error. The relay tries them again at each start. One is saved
 * without its document if that is longer than {@linkcode Dialect.maxText}, or if CrateDB refuses it.
 */
import { bytesJson, documentOfExtendedJson, extendedJson } from "../../bson/bson.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { messageOf } from "../../util/errors.ts";
import { grouped } from "../../util/grouped.ts";
import { jsonBytes } from "../../util/json_writer.ts";
import type { Dialect } from "../sql/dialect.ts";
import { queryNumber, refreshTable, type Result, type Transport } from "../connection/transport.ts";
import { faultOf, SinkError } from "../connection/sink_error.ts";
import { scanKeys } from "../table/row_reader.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { createMetadataTable } from "./metadata_tables.ts";

const TABLE = "cdc_dead_letter";
const MAX_ERROR_CHARACTERS = 2_000;
/** Larger documents are saved as BSON: 16 MB of Extended JSON would take many seconds. */
const MAX_READABLE_BYTES = 2 ** 20;
/** Keys in memory; beyond that, CrateDB is queried. */
const MAX_KNOWN = 10_000;
/** Limits of a statement: dead letters, and characters of their keys or documents. */
const MAX_LETTERS = 1_000;
const MAX_CHARACTERS = 2 ** 22;

const WITHOUT =
  " The dead letter lacks its document, which is too large for it as well. Make the document smaller. Or raise " +
  "http.max_content_length in crate.yml, or use the PostgreSQL wire (CRATEDB_URL), and start the relay with --snapshot always.";

export interface DeadLetter {
  readonly oid: string;
  /** BSON; null if unavailable. */
  readonly document: Uint8Array | null;
  readonly error: string;
}

/** A dead letter with its document, or the reason why it cannot be read. */
export type StoredLetter =
  | { readonly oid: string; readonly document: Uint8Array }
  | { readonly oid: string; readonly unreadable: string };

/** Selects the dead letters of one table, by {@linkcode deadLetterStream}. */
interface DeadLettersOptions {
  readonly schema: string;
  readonly stream: string;
}

/** @example IN: shop.orders, {schema: "doc", name: "t"} → OUT: shop.orders -> doc.t, as in the view `cdc_status` */
export const deadLetterStream = (namespace: Namespace, { schema, name }: TableName): string =>
  `${namespaceText(namespace)} -> ${schema}.${name}`;

/** A dead letter with its document as Extended JSON, see {@linkcode documentText}. */
type LetterRow = Omit<DeadLetter, "document"> & { readonly document: string | null };

/** The dead letters of one table. A key has either a row or a dead letter, so no query sees an outdated row. */
export class DeadLetters {
  readonly #transport: Transport;
  readonly #options: DeadLettersOptions;
  readonly #name: TableName;
  readonly #table: string;
  /** Keys with dead letters; undefined if they are too many. */
  #known: Set<string> | undefined = new Set();

  private constructor(transport: Transport, options: DeadLettersOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#name = { schema: options.schema, name: TABLE };
    this.#table = quoteTable(this.#name);
  }

  static async prepare(transport: Transport, { schema }: { schema: string }): Promise<void> {
    const { longText } = transport.dialect;
    const columns = `stream TEXT, oid TEXT, document ${longText}, error ${longText}, ` +
      "time TIMESTAMP WITH TIME ZONE, PRIMARY KEY (stream, oid)";
    await createMetadataTable(transport, { schema, name: TABLE, columns });
    await refreshTable(transport, { schema, name: TABLE });
  }

  static async open(transport: Transport, options: DeadLettersOptions): Promise<DeadLetters> {
    const letters = new DeadLetters(transport, options);
    await letters.#learn();
    return letters;
  }

  static async count(transport: Transport, { schema, stream }: DeadLettersOptions): Promise<number> {
    const table = quoteTable({ schema, name: TABLE });
    return await queryNumber(transport, `SELECT count(*) FROM ${table} WHERE stream = $1`, [stream]);
  }

  static async among(
    transport: Transport,
    { schema, stream }: DeadLettersOptions,
    oids: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const sql = `SELECT oid FROM ${quoteTable({ schema, name: TABLE })} ${whereKeys(transport.dialect)}`;
    const found = new Set<string>();
    for (const group of keyGroups(oids)) {
      const { rows } = await transport.query(sql, [stream, group]);
      for (const [oid] of rows) found.add(String(oid));
    }
    return found;
  }

  count(): Promise<number> {
    return DeadLetters.count(this.#transport, this.#options);
  }

  keys(size: number): AsyncGenerator<string[]> {
    const own = { where: "stream = $1", parameters: [this.#options.stream] };
    return scanKeys(this.#transport, this.#name, { ...own, size });
  }

  /** All dead letters with documents, in groups of limited size. */
  async *read(): AsyncGenerator<StoredLetter[]> {
    for await (const oids of this.keys(MAX_LETTERS)) {
      const sizes = await this.#select("char_length(document)", oids);
      if (sizes.unreadable.length > 0) yield sizes.unreadable;
      const groups = grouped(sizes.rows.filter(([, characters]) => characters !== null), {
        count: MAX_LETTERS,
        weight: MAX_CHARACTERS,
        weightOf: ([, characters]) => Number(characters),
      });
      for (const group of groups) {
        const { rows, unreadable } = await this.#select("document", group.map(([oid]) => String(oid)));
        yield [...rows.map(([oid, document]) => parsed(String(oid), String(document))), ...unreadable];
      }
    }
    // They may be few enough now.
    if (!this.#known) await this.#learn();
  }

  /** Selects a value of each dead letter. One that CrateDB cannot read fails the statement: finds it by bisection. */
  async #select(
    value: string,
    oids: readonly string[],
  ): Promise<{ readonly rows: Result["rows"]; readonly unreadable: StoredLetter[] }> {
    const sql = `SELECT oid, ${value} FROM ${this.#table} ${whereKeys(this.#transport.dialect)}`;
    try {
      const { rows } = await this.#transport.query(sql, [this.#options.stream, oids]);
      return { rows, unreadable: [] };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (oids.length === 1) return { rows: [], unreadable: oids.map((oid) => unreadable(oid, error)) };
      const middle = oids.length >> 1;
      const one = await this.#select(value, oids.slice(0, middle));
      const other = await this.#select(value, oids.slice(middle));
      return { rows: [...one.rows, ...other.rows], unreadable: [...one.unreadable, ...other.unreadable] };
    }
  }

  /** Replaces earlier dead letters with the same keys. */
  async add(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    const { maxText } = this.#transport.dialect;
    const groups = grouped(Iterator.from(letters).map((letter) => letterRow(letter, maxText)), {
      count: MAX_LETTERS,
      weight: MAX_CHARACTERS,
      weightOf: ({ document, error }) => (document?.length ?? 0) + error.length,
    });
    for (const group of groups) {
      if (group.length > 1 && await this.#insertAll(group)) continue;
      for (const row of group) await this.#insertOne(row);
    }
    for (const { oid } of letters) this.#known?.add(oid);
    if ((this.#known?.size ?? 0) > MAX_KNOWN) this.#known = undefined;
    await refreshTable(this.#transport, this.#name);
  }

  /** @returns whether all were written: a bulk statement may skip rows without an error */
  async #insertAll(rows: readonly LetterRow[]): Promise<boolean> {
    const [texts] = this.#transport.dialect.lists;
    try {
      const { count } = await this.#transport.query(
        `INSERT INTO ${this.#table} (stream, oid, document, error, time) ` +
          "(SELECT $1::text, l.oid, l.document, l.error, CURRENT_TIMESTAMP " +
          `FROM UNNEST($2::${texts}, $3::${texts}, $4::${texts}) AS l (oid, document, error)) ${OR_UPDATE}`,
        [
          this.#options.stream,
          rows.map(({ oid }) => oid),
          { json: rows.map(({ document }) => document === null ? null : jsonBytes(document)) },
          rows.map(({ error }) => error),
        ],
        { writes: true },
      );
      return count === rows.length;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return false;
    }
  }

  /** CrateDB cannot overwrite a dead letter that it cannot read: deletes it first. */
  async #insertOne(row: LetterRow): Promise<void> {
    try {
      return await this.#insert(row);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    await this.#delete([row.oid]);
    await this.#insert(row.document === null ? row : withoutDocument(row));
  }

  async #insert({ oid, document, error }: LetterRow): Promise<void> {
    await this.#transport.query(
      `INSERT INTO ${this.#table} (stream, oid, document, error, time) ` +
        `VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP) ${OR_UPDATE}`,
      [this.#options.stream, oid, document, error],
      { writes: true },
    );
  }

  /** Deletes all dead letters, including those of other relays. */
  async clear(): Promise<void> {
    const sql = `DELETE FROM ${this.#table} WHERE stream = $1`;
    await this.#transport.query(sql, [this.#options.stream], { writes: true });
    this.#known = new Set();
    await refreshTable(this.#transport, this.#name);
  }

  async resolve(oids: readonly string[]): Promise<void> {
    const known = this.#known;
    const resolved = known
      ? oids.filter((oid) => known.has(oid))
      : [...await DeadLetters.among(this.#transport, this.#options, oids)];
    if (resolved.length === 0) return;
    await this.#delete(resolved);
    for (const oid of resolved) this.#known?.delete(oid);
    await refreshTable(this.#transport, this.#name);
  }

  async #delete(oids: readonly string[]): Promise<void> {
    const sql = `DELETE FROM ${this.#table} ${whereKeys(this.#transport.dialect)}`;
    for (const group of keyGroups(oids)) {
      await this.#transport.query(sql, [this.#options.stream, group], { writes: true });
    }
  }

  async #learn(): Promise<void> {
    const sql = `SELECT oid FROM ${this.#table} WHERE stream = $1 LIMIT ${MAX_KNOWN + 1}`;
    const { rows } = await this.#transport.query(sql, [this.#options.stream]);
    this.#known = rows.length > MAX_KNOWN ? undefined : new Set(rows.map(([oid]) => String(oid)));
  }
}

const OR_UPDATE = "ON CONFLICT (stream, oid) DO UPDATE SET " +
  "document = excluded.document, error = excluded.error, time = excluded.time";

const whereKeys = ({ lists: [texts] }: Dialect): string => `WHERE stream = $1 AND oid = ANY($2::${texts})`;

const keyGroups = (oids: readonly string[]): Generator<string[]> =>
  grouped(oids, { count: MAX_LETTERS, weight: MAX_CHARACTERS, weightOf: ({ length }) => length });

/** Whether a dead letter may have caused the error. */
const isRefusal = (error: unknown): error is SinkError =>
  error instanceof SinkError && faultOf(error) === "row";

function letterRow({ oid, document, error }: DeadLetter, maxText: number): LetterRow {
  const reason = error.slice(0, MAX_ERROR_CHARACTERS).toWellFormed().replaceAll("\0", "\ufffd");
  const row = { oid, document: document && documentText(document), error: reason };
  return (row.document?.length ?? 0) > maxText ? withoutDocument(row) : row;
}

const documentText = (document: Uint8Array): string =>
  document.length > MAX_READABLE_BYTES ? bytesJson(document) : extendedJson(document);

const withoutDocument = ({ oid, error }: LetterRow): LetterRow => ({
  oid,
  document: null,
  error: `${error}${WITHOUT}`,
});

function parsed(oid: string, text: string): StoredLetter {
  try {
    return { oid, document: documentOfExtendedJson(text) };
  } catch (error) {
    return unreadable(oid, error);
  }
}

const unreadable = (oid: string, error: unknown): StoredLetter => ({ oid, unreadable: messageOf(error) });
