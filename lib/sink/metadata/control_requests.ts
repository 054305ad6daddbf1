/** Requests of operators to the relay of a stream, in `cdc_control`. A row written by hand needs only `id`, `stream` and `verb`. */
import { randomUUID } from "node:crypto";
import { messageOf } from "../../util/errors.ts";
import type { Transport } from "../connection/transport.ts";
import { type StreamName, StreamRows } from "./stream_rows.ts";

export type RequestState = "asked" | "running" | "done" | "refused" | "failed" | "cancelled" | "expired";

/** Times are in milliseconds since 1970. */
export interface ControlRequest {
  readonly id: string;
  /** Null if the schema has one stream only. */
  readonly stream: string | null;
  readonly verb: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Why the arguments cannot be read. */
  readonly fault?: string;
  readonly askedAt: number;
  readonly askedBy: string | null;
  readonly expiresAt: number;
  /** By the server's clock. */
  readonly isExpired: boolean;
  readonly state: RequestState;
  readonly progress: string | null;
  readonly message: string | null;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
}

export interface NewRequest extends Pick<ControlRequest, "verb"> {
  /** @default {random} */
  readonly id?: string;
  /** @default {that of the rows} */
  readonly stream?: string;
  readonly arguments?: ControlRequest["arguments"];
  readonly askedBy?: string | null;
  /** Milliseconds from now. @default {an hour} */
  readonly expiresIn?: number;
  /** A time since 1970, instead. */
  readonly expiresAt?: number;
}

export type RequestChange = Partial<
  Pick<ControlRequest, "stream" | "state" | "progress" | "message"> & {
    /** Sets the time of the server. */
    readonly starts: true;
    readonly ends: true;
  }
>;

const WRITES = { writes: true };
/** The time until a request without `expires_at` expires. */
const EXPIRES_MS = 3_600_000;
const OPEN = "coalesce(state, 'asked') IN ('asked', 'running')";

export class ControlRequests extends StreamRows {
  /** Names by which requests mean this stream: its own first. */
  readonly names: readonly string[];
  readonly #columns: string;

  /** @param aliases further names of the stream, such as that in the file */
  constructor(transport: Transport, stream: StreamName, aliases: readonly string[] = []) {
    super(transport, stream, "cdc_control");
    this.names = [stream.stream, ...aliases];
    const { now, millis } = transport.dialect;
    const asked = `coalesce(${millis("asked_at")}, ${now})`;
    const expires = `coalesce(${millis("expires_at")}, ${asked} + ${EXPIRES_MS})`;
    this.#columns = `id, stream, verb, arguments, ${asked}, asked_by, ` +
      `${expires}, ${expires} <= ${now}, coalesce(state, 'asked'), ` +
      `progress, message, ${millis("started_at")}, ${millis("ended_at")}`;
  }

  /** Adds a request, unless one with this id exists. @returns it, as `asked` */
  async add(request: NewRequest): Promise<ControlRequest> {
    const { id = randomUUID(), stream = this.stream, verb, askedBy = null, expiresIn = EXPIRES_MS } = request;
    const { now, timestamp } = this.transport.dialect;
    const expires = Math.round(request.expiresAt ?? expiresIn);
    const from = request.expiresAt === undefined ? `${now} + ` : "";
    await this.transport.query(
      `INSERT INTO ${this.table} (id, stream, verb, arguments, asked_at, asked_by, expires_at, state) ` +
        `VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP, $5, ${timestamp(`${from}${expires}`)}, 'asked') ` +
        "ON CONFLICT (id) DO NOTHING",
      [id, stream, verb, JSON.stringify(request.arguments ?? {}), askedBy],
      WRITES,
    );
    await this.refresh();
    const added = await this.find(id);
    if (!added) throw new Error(`The request ${id} was deleted`);
    return added;
  }

  /** The requests to this stream that have not ended, in order. Those to no stream are among them. */
  async open(): Promise<ControlRequest[]> {
    const [texts] = this.transport.dialect.lists;
    const where = `(stream = ANY($1::${texts}) OR stream IS NULL) AND ${OPEN} ORDER BY asked_at, id`;
    return await this.#select(where, [this.names]);
  }

  /** By its primary key, so also a request that is not visible to queries yet. */
  async find(id: string): Promise<ControlRequest | undefined> {
    return (await this.#select("id = $1", [id]))[0];
  }

  /** The newest requests to this stream first. */
  async list(limit: number): Promise<ControlRequest[]> {
    const [texts] = this.transport.dialect.lists;
    const where =
      `stream = ANY($1::${texts}) OR stream IS NULL ORDER BY asked_at DESC NULLS LAST, id LIMIT ${limit}`;
    await this.refresh();
    return await this.#select(where, [this.names]);
  }

  /** Begins and cancels no request that has ended: the write may be late, or somebody else was faster. */
  async save(id: string, { starts, ends, ...texts }: RequestChange): Promise<void> {
    const given = Object.entries(texts).filter(([, value]) => value !== undefined);
    const sets = given.map(([name], at) => `${name} = $${at + 2}`);
    if (starts) sets.push("started_at = CURRENT_TIMESTAMP");
    if (ends) sets.push("ended_at = CURRENT_TIMESTAMP");
    const values = given.map(([, value]) => value);
    const isLeft = texts.state === "running" || texts.state === "cancelled" ? ` AND ${OPEN}` : "";
    await this.transport.query(
      `UPDATE ${this.table} SET ${sets.join(", ")} WHERE id = $1${isLeft}`,
      [id, ...values],
      WRITES,
    );
  }

  /** Shows what was written to the next query. */
  show(): Promise<void> {
    return this.refresh();
  }

  async #select(where: string, values: Parameters<Transport["query"]>[1]): Promise<ControlRequest[]> {
    const sql = `SELECT ${this.#columns} FROM ${this.table} WHERE ${where}`;
    return (await this.transport.query(sql, values)).rows.map(requestOf);
  }
}

const textOf = (value: unknown): string | null => value === null ? null : String(value);
const timeOf = (value: unknown): number | null => value === null ? null : Number(value);

function requestOf(row: readonly unknown[]): ControlRequest {
  const [id, stream, verb, given, askedAt, askedBy, expiresAt, isExpired, ...rest] = row;
  const [state, progress, message, startedAt, endedAt] = rest;
  return {
    id: String(id),
    stream: textOf(stream),
    verb: String(verb),
    ...argumentsOf(textOf(given)),
    askedAt: Number(askedAt),
    askedBy: textOf(askedBy),
    expiresAt: Number(expiresAt),
    isExpired: isExpired === true,
    state: String(state) as RequestState,
    progress: textOf(progress),
    message: textOf(message),
    startedAt: timeOf(startedAt),
    endedAt: timeOf(endedAt),
  };
}

/** @example IN: {"a": 1} → OUT: {arguments: {a: 1}}; IN: [1] → OUT: {arguments: {}, fault: "the arguments are no JSON object: [1]"} */
export function argumentsOf(text: string | null): Pick<ControlRequest, "arguments" | "fault"> {
  if (text === null || text.trim() === "") return { arguments: {} };
  const quoted = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  try {
    const value = JSON.parse(text);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return { arguments: value };
    return { arguments: {}, fault: `the arguments are no JSON object: ${quoted}` };
  } catch (error) {
    return { arguments: {}, fault: `the arguments are not JSON (${messageOf(error)}): ${quoted}` };
  }
}
