/**
 * Dead letters: documents that no row could hold, with the error. They are tried again after new columns, or as an operator
 * asks. One lacks its document if that is longer than {@linkcode Dialect.maxText}, or if CrateDB refuses it.
 */
import { bytesJson, documentOfExtendedJson, extendedJson } from "../../bson/bson.ts";
import { type Namespace, namespaceText } from "../../util/namespace.ts";
import { undefinedIf } from "../../util/errors.ts";
import { grouped } from "../../util/grouped.ts";
import { jsonBytes } from "../../util/json_writer.ts";
import type { Result, Rows, Transport, Values } from "../connection/transport.ts";
import { faultOf, refusalText, SinkError } from "../connection/sink_error.ts";
import { scanKeys } from "../table/row_reader.ts";
import type { TableName } from "../sql/names.ts";
import { type StreamName, StreamRows } from "./stream_rows.ts";

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
  "http.max_content_length in crate.yml, or use the PostgreSQL wire (postgresql://), and start the relay with --snapshot always.";

export interface DeadLetter {
  readonly oid: string;
  /** BSON; null if unavailable. */
  readonly document: Uint8Array | null;
  readonly error: string;
}

/** A dead letter with its document, or the reason why it cannot be read, without values. */
export type StoredLetter =
  | { readonly oid: string; readonly document: Uint8Array }
  | { readonly oid: string; readonly unreadable: string };

export interface ListedLetter {
  readonly oid: string;
  readonly error: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Extended JSON, or BSON in hex digits of a large one; null if unavailable or not asked for. */
  readonly document: string | null;
}

/** @example IN: shop.orders, {schema: "doc", name: "t"} → OUT: shop.orders -> doc.t, as in the view `cdc_status` */
export const deadLetterStream = (namespace: Namespace, { schema, name }: TableName): string =>
  `${namespaceText(namespace)} -> ${schema}.${name}`;

/** A dead letter with its document as Extended JSON, see {@linkcode documentText}. */
type LetterRow = Omit<DeadLetter, "document"> & { readonly document: string | null };

const WRITES = { writes: true };

/**
 * The dead letters of one table, named by {@linkcode deadLetterStream}. A key has either a row or a dead letter, so no
 * query sees an outdated row.
 */
export class DeadLetters extends StreamRows {
  /** Keys with dead letters; undefined if they are too many, or were not read. */
  #known: Set<string> | undefined;
  readonly #areKeys: string;

  constructor(transport: Transport, stream: StreamName) {
    super(transport, stream, "cdc_dead_letter");
    this.#areKeys = `AND oid = ANY($2::${transport.dialect.lists[0]})`;
  }

  /** Dead letters with their keys in memory, for one writer. */
  static async open(transport: Transport, stream: StreamName): Promise<DeadLetters> {
    const letters = new DeadLetters(transport, stream);
    await letters.#learn();
    return letters;
  }

  async count(): Promise<number> {
    if (this.#known) return this.#known.size;
    const [row] = await this.select("count(*)");
    return Number(row?.[0]);
  }

  async among(oids: readonly string[]): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (const group of keyGroups(oids)) {
      for (const [oid] of await this.select("oid", this.#areKeys, [group])) found.add(String(oid));
    }
    return found;
  }

  keys(size: number): AsyncGenerator<string[]> {
    return scanKeys(this.transport, this.name, { where: "stream = $1", parameters: [this.stream], size });
  }

  /** The newest, of these keys only if some are given. */
  async list({ oids, limit, withDocuments }: {
    readonly oids: readonly string[] | undefined;
    readonly limit: number;
    readonly withDocuments: boolean;
  }): Promise<ListedLetter[]> {
    await this.refresh();
    const time = this.transport.dialect.millis("time");
    const columns = `oid, error, ${time}, ${withDocuments ? "document" : "NULL"}`;
    const rest = `${oids ? this.#areKeys : ""} ORDER BY time DESC, oid LIMIT ${limit}`;
    return (await this.select(columns, rest, oids ? [oids] : [])).map(([oid, error, time, document]) => ({
      oid: String(oid),
      error: String(error),
      time: Number(time),
      document: document as string | null,
    }));
  }

  /** Those of these keys that lack their document. */
  async withoutDocument(oids: readonly string[]): Promise<string[]> {
    return (await this.select("oid", `${this.#areKeys} AND document IS NULL`, [oids])).map(([oid]) =>
      String(oid)
    );
  }

  /** Dead letters with documents, all or those of these keys, in groups of limited size. */
  async *read(wanted?: readonly string[]): AsyncGenerator<StoredLetter[]> {
    for await (const oids of wanted ? keyGroups(wanted) : this.keys(MAX_LETTERS)) {
      const sizes = await this.#selectReadable("char_length(document)", oids);
      if (sizes.unreadable.length > 0) yield sizes.unreadable;
      const groups = grouped(sizes.rows.filter(([, characters]) => characters !== null), {
        count: MAX_LETTERS,
        weight: MAX_CHARACTERS,
        weightOf: ([, characters]) => Number(characters),
      });
      for (const group of groups) {
        const some = group.map(([oid]) => String(oid));
        const { rows, unreadable } = await this.#selectReadable("document", some);
        yield [...rows.map(([oid, document]) => parsed(String(oid), String(document))), ...unreadable];
      }
    }
    // They may be few enough now.
    if (!this.#known) await this.#learn();
  }

  /** Selects a value of each dead letter. One that CrateDB cannot read fails the statement: finds it by bisection. */
  async #selectReadable(
    value: string,
    oids: readonly string[],
  ): Promise<{ readonly rows: Rows; readonly unreadable: StoredLetter[] }> {
    try {
      return { rows: await this.select(`oid, ${value}`, this.#areKeys, [oids]), unreadable: [] };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const why = refusalText(this.transport.dialect.name, error, "to return its document");
      if (oids.length === 1) return { rows: [], unreadable: oids.map((oid) => ({ oid, unreadable: why })) };
      const middle = oids.length >> 1;
      const one = await this.#selectReadable(value, oids.slice(0, middle));
      const other = await this.#selectReadable(value, oids.slice(middle));
      return { rows: [...one.rows, ...other.rows], unreadable: [...one.unreadable, ...other.unreadable] };
    }
  }

  /** Replaces earlier dead letters with the same keys. */
  async add(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    const { maxText } = this.transport.dialect;
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
    await this.refresh();
  }

  /** @returns whether all were written: a bulk statement may skip rows without an error */
  async #insertAll(rows: readonly LetterRow[]): Promise<boolean> {
    const [texts] = this.transport.dialect.lists;
    const lists = `$2::${texts}, $3::${texts}, $4::${texts}`;
    const values = "(SELECT $1::text, l.oid, l.document, l.error, CURRENT_TIMESTAMP " +
      `FROM UNNEST(${lists}) AS l (oid, document, error))`;
    const oids = rows.map(({ oid }) => oid);
    const documents = { json: rows.map(({ document }) => document === null ? null : jsonBytes(document)) };
    const inserted = await this.#insert(values, [oids, documents, rows.map(({ error }) => error)])
      .catch(undefinedIf(isRefusal));
    return inserted?.count === rows.length;
  }

  /** CrateDB cannot overwrite a dead letter that it cannot read: deletes it first. */
  async #insertOne(row: LetterRow): Promise<void> {
    const insert = ({ oid, document, error }: LetterRow) =>
      this.#insert("VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)", [oid, document, error]);
    try {
      await insert(row);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await this.#delete([row.oid]);
      await insert(row.document === null ? row : withoutDocument(row));
    }
  }

  #insert(values: string, parameters: Values): Promise<Result> {
    const sql = `INSERT INTO ${this.table} (stream, oid, document, error, time) ${values} ` +
      "ON CONFLICT (stream, oid) DO UPDATE SET " +
      "document = excluded.document, error = excluded.error, time = excluded.time";
    return this.run(sql, parameters, WRITES);
  }

  /** Deletes all dead letters, including those of other relays. */
  async clear(): Promise<void> {
    await this.delete("", [], WRITES);
    this.#known = new Set();
    await this.refresh();
  }

  async resolve(oids: readonly string[]): Promise<void> {
    const known = this.#known;
    const resolved = known ? oids.filter((oid) => known.has(oid)) : [...await this.among(oids)];
    if (resolved.length === 0) return;
    await this.#delete(resolved);
    for (const oid of resolved) this.#known?.delete(oid);
    await this.refresh();
  }

  async #delete(oids: readonly string[]): Promise<void> {
    for (const group of keyGroups(oids)) await this.delete(this.#areKeys, [group], WRITES);
  }

  async #learn(): Promise<void> {
    const rows = await this.select("oid", `LIMIT ${MAX_KNOWN + 1}`);
    this.#known = rows.length > MAX_KNOWN ? undefined : new Set(rows.map(([oid]) => String(oid)));
  }
}

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
  } catch {
    // The error may quote it.
    return { oid, unreadable: "its document is not Extended JSON" };
  }
}
