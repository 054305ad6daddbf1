/**
 * Documents that no row could hold, kept whole if they can be. To replay them, fix the cause and start the relay again.
 *
 * A letter can always be written and read: CrateDB's parser takes no text over {@linkcode Dialect.maxText}, so a letter is
 * without its document if that would be longer, or if CrateDB refuses the letter with it for whatever reason.
 */
import { bytesJson, documentOfExtendedJson, extendedJson } from "../../bson/bson.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { messageOf } from "../../util/errors.ts";
import { grouped } from "../../util/grouped.ts";
import type { Dialect } from "../sql/dialect.ts";
import { refreshTable, type Result, type Transport } from "../connection/transport.ts";
import { faultOf, SinkError } from "../connection/sink_error.ts";
import { scanTable } from "../table/row_reader.ts";
import { quoteTable, type TableName } from "../sql/names.ts";
import { createMetadataTable } from "./metadata_tables.ts";

const TABLE = "cdc_dead_letter";

/** An error may quote a document. */
const MAX_ERROR_CHARACTERS = 2_000;
/** Larger documents are kept as BSON: as Extended JSON, one of 16 MB would take many seconds. */
const MAX_READABLE_BYTES = 2 ** 20;
/** Keys that are remembered; of more, the sink is asked. */
const MAX_KNOWN = 10_000;
/** Letters of one statement, and the characters of their keys or documents. */
const MAX_LETTERS = 1_000;
const MAX_CHARACTERS = 2 ** 22;

const WITHOUT =
  " The letter is without its document, which is too large for that as well. Make the document smaller; or raise " +
  "http.max_content_length in crate.yml or use the PostgreSQL wire (CRATEDB_URL), and start the relay with --snapshot always.";

export interface DeadLetter {
  readonly oid: string;
  /** BSON; null if it is not to be had. */
  readonly document: Uint8Array | null;
  readonly error: string;
}

/** A dead letter that can be tried again, or the reason for which it cannot be read. */
export type StoredLetter =
  | { readonly oid: string; readonly document: Uint8Array }
  | { readonly oid: string; readonly unreadable: string };

/** The dead letters of one table. */
export interface DeadLettersOptions {
  readonly schema: string;
  /** See {@linkcode deadLetterStream}. */
  readonly stream: string;
}

/**
 * What the dead letters of a table are kept under. The view `cdc_status` makes the same of `cdc_collection`.
 *
 * @example
 * IN: shop.orders, {schema: "doc", name: "t"} → OUT: shop.orders -> doc.t
 */
export const deadLetterStream = (namespace: Namespace, { schema, name }: TableName): string =>
  `${namespaceText(namespace)} -> ${schema}.${name}`;

/** A dead letter as it is written. */
interface LetterRow {
  readonly oid: string;
  /** Canonical Extended JSON, see {@linkcode documentText}. */
  readonly document: string | null;
  readonly error: string;
}

/**
 * One row per document that is not in the table. While it is there, the table has no row with that key, so no query sees a
 * state that is no longer true. It is removed when a later version of the document is written.
 */
export class DeadLetters {
  readonly #transport: Transport;
  readonly #options: DeadLettersOptions;
  readonly #name: TableName;
  readonly #table: string;
  /** Keys that have letters; undefined if they are too many to be remembered. */
  #known: Set<string> | undefined = new Set();

  private constructor(transport: Transport, options: DeadLettersOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#name = { schema: options.schema, name: TABLE };
    this.#table = quoteTable(this.#name);
  }

  /** Makes the table if it is missing. All streams of a schema share it. */
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

  /** The number of letters. */
  static async count(transport: Transport, { schema, stream }: DeadLettersOptions): Promise<number> {
    const { rows: [row] } = await transport.query(
      `SELECT count(*) FROM ${quoteTable({ schema, name: TABLE })} WHERE stream = $1`,
      [stream],
    );
    return Number(row?.[0]);
  }

  /** Which of these keys have dead letters. */
  static async among(
    transport: Transport,
    { schema, stream }: DeadLettersOptions,
    oids: readonly string[],
  ): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (const group of keyGroups(oids)) {
      const { rows } = await transport.query(
        `SELECT oid FROM ${quoteTable({ schema, name: TABLE })} ${whereKeys(transport.dialect)}`,
        [stream, group],
      );
      for (const [oid] of rows) found.add(String(oid));
    }
    return found;
  }

  count(): Promise<number> {
    return DeadLetters.count(this.#transport, this.#options);
  }

  /** Their keys, in lists of at most `size`. */
  async *keys(size: number): AsyncGenerator<string[]> {
    const pages = scanTable(this.#transport, this.#name, {
      columns: ["oid"],
      where: "stream = $1",
      parameters: [this.#options.stream],
      size,
    });
    for await (const rows of pages) yield rows.map(([oid]) => String(oid));
  }

  /** All that have their documents, or should have and cannot be read; so many at once as memory has room for. */
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
    // Now they may be few enough to be remembered.
    if (!this.#known) await this.#learn();
  }

  /** A value of each of these letters. One that CrateDB cannot read fails the whole statement: it is looked for. */
  async #select(
    value: string,
    oids: readonly string[],
  ): Promise<{ readonly rows: Result["rows"]; readonly unreadable: StoredLetter[] }> {
    try {
      const { rows } = await this.#transport.query(
        `SELECT oid, ${value} FROM ${this.#table} ${whereKeys(this.#transport.dialect)}`,
        [this.#options.stream, oids],
      );
      return { rows, unreadable: [] };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (oids.length === 1) return { rows: [], unreadable: oids.map((oid) => unreadable(oid, error)) };
      const middle = oids.length >> 1;
      const [one, other] = [
        await this.#select(value, oids.slice(0, middle)),
        await this.#select(value, oids.slice(middle)),
      ];
      return { rows: [...one.rows, ...other.rows], unreadable: [...one.unreadable, ...other.unreadable] };
    }
  }

  /** Writes letters, in place of earlier ones of the same keys. */
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

  /** @returns whether all are written: a bulk statement may leave out rows without an error */
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
          { json: rows.map(({ document }) => document) },
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

  /** An earlier letter that CrateDB cannot read cannot be written over either. */
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

  /** Removes all dead letters, also those that another relay has left. */
  async clear(): Promise<void> {
    await this.#transport.query(`DELETE FROM ${this.#table} WHERE stream = $1`, [this.#options.stream], {
      writes: true,
    });
    this.#known = new Set();
    await refreshTable(this.#transport, this.#name);
  }

  /** Removes the dead letters of documents that were written or deleted. */
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
    for (const group of keyGroups(oids)) {
      await this.#transport.query(
        `DELETE FROM ${this.#table} ${whereKeys(this.#transport.dialect)}`,
        [this.#options.stream, group],
        { writes: true },
      );
    }
  }

  async #learn(): Promise<void> {
    const { rows } = await this.#transport.query(
      `SELECT oid FROM ${this.#table} WHERE stream = $1 LIMIT ${MAX_KNOWN + 1}`,
      [this.#options.stream],
    );
    this.#known = rows.length > MAX_KNOWN ? undefined : new Set(rows.map(([oid]) => String(oid)));
  }
}

const OR_UPDATE = "ON CONFLICT (stream, oid) DO UPDATE SET " +
  "document = excluded.document, error = excluded.error, time = excluded.time";

const whereKeys = ({ lists: [texts] }: Dialect): string => `WHERE stream = $1 AND oid = ANY($2::${texts})`;

const keyGroups = (oids: readonly string[]): Generator<string[]> =>
  grouped(oids, { count: MAX_LETTERS, weight: MAX_CHARACTERS, weightOf: ({ length }) => length });

/** Whether a letter can have caused the error. */
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

/** Somebody may have changed the text. */
function parsed(oid: string, text: string): StoredLetter {
  try {
    return { oid, document: documentOfExtendedJson(text) };
  } catch (error) {
    return unreadable(oid, error);
  }
}

const unreadable = (oid: string, error: unknown): StoredLetter => ({ oid, unreadable: messageOf(error) });
