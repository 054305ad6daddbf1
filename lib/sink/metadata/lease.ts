/** A lease on a row, for one writer at a time. Writes are fenced by the row's version, in case their process was frozen. */
import { hostname } from "node:os";
import process from "node:process";
import type { Clock } from "../../util/clock.ts";
import { UserError } from "../../util/errors.ts";
import { type Result, STATEMENT_LIMIT_MS, type Transport, type Values } from "../connection/transport.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";
import type { ColumnType } from "./status_view.ts";
import type { StreamName } from "./stream_rows.ts";

export interface LeaseOptions<Column extends string> {
  /** Has `owner TEXT`, `lease_until TIMESTAMP WITH TIME ZONE`, and the columns below. */
  readonly table: TableName;
  readonly keyColumn: string;
  readonly key: string;
  /** Text columns that {@linkcode Lease.save} writes. */
  readonly columns: readonly Column[];
  /** Further columns, which each write sets (times in ISO 8601), and a timestamp column for its time. @default {none} */
  readonly reported?: () => readonly {
    readonly column: string;
    readonly type: ColumnType;
    readonly value: string | number | null;
  }[];
  readonly reportedAtColumn?: string;
  /** A timestamp column that each save sets. @default {none} */
  readonly savedAtColumn?: string;
  /** Milliseconds until the lease expires without a renewal, and at most between two renewals. @default {a third of it} */
  readonly lease: number;
  readonly renewal?: number;
  readonly clock: Clock;
  /** Predicate for the error if another process holds the lease, e.g. "follows this stream: shop.*". */
  readonly holds: string;
  /** Predicate for the error if another process takes it, e.g. "has taken over this stream: shop.*". */
  readonly takesOver: string;
  /** Whether the lease may be released early, on disposal. @default {always} */
  readonly isFree?: () => boolean;
}

type LeaseValues<Column extends string> = Readonly<Record<Column, string | null>>;

export class LeaseHeldError extends UserError {
  constructor(readonly owner: string | null, holds: string) {
    super(`Another relay (${owner}) ${holds}`, {
      hint: "Stop it first; two relays on one stream would overwrite each other.",
    });
  }
}

export class LeaseLostError extends UserError {
  constructor(readonly owner: string | null, takesOver: string) {
    super(`Another relay (${owner}) ${takesOver}`, {
      hint: "This one stops, so that no change is written twice out of order.",
    });
  }
}

interface Row<Column extends string> {
  readonly values: LeaseValues<Column>;
  readonly owner: string | null;
  /** Milliseconds until it expires, by the server's clock. */
  readonly left: number;
  readonly version: readonly [seqNo: string, primaryTerm: string];
}

export interface AcquireOptions {
  readonly signal: AbortSignal;
  /** Called once if the lease of an earlier owner has to expire first. */
  readonly onWait: (owner: string | null, milliseconds: number) => void;
  /** Whether to wait for a live owner until it releases the lease or dies. @default {false} */
  readonly standsBy?: boolean;
}

/** How long to wait beyond the duration of a dead owner's lease. */
export const LEASE_MARGIN_MS = 1_000;
const LONGEST_WAIT_MS = 500;
/** Minimum time limit of a statement. */
const SHORTEST_LIMIT_MS = 5_000;
/** Tolerance between the clocks of server and client. */
const CLOCK_MARGIN_MS = 50;

export class Lease<Column extends string> implements AsyncDisposable {
  readonly owner = `${hostname()}/${process.pid}/${crypto.randomUUID().slice(0, 8)}`;
  readonly #target: string;
  /** The columns as last read or written. */
  values: LeaseValues<Column>;
  #version: Row<Column>["version"] = ["", ""];
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** When the last confirmed write was sent. */
  #confirmedAt = 0;

  constructor(private readonly transport: Transport, protected readonly options: LeaseOptions<Column>) {
    this.#target = quoteTable(options.table);
    this.values = Object.fromEntries(options.columns.map((name) => [name, null])) as LeaseValues<Column>;
  }

  /** Waits for the lease of a dead owner to expire. @throws LeaseHeldError if the owner is alive, unless it stands by */
  async acquire({ signal, onWait, standsBy = false }: AcquireOptions): Promise<void> {
    const { clock, lease, holds } = this.options;
    let deadline: number | undefined;
    while (true) {
      const row = await this.#findOrCreate();
      if (row.left <= 0) {
        if (await this.#take(row)) return;
        continue;
      }
      if (deadline === undefined) {
        deadline = clock.monotonic() + Math.max(row.left, lease) + LEASE_MARGIN_MS;
        onWait(row.owner, row.left);
      }
      if (clock.monotonic() > deadline && !standsBy) throw new LeaseHeldError(row.owner, holds);
      await clock.wait(Math.min(row.left + CLOCK_MARGIN_MS, LONGEST_WAIT_MS), { signal });
    }
  }

  /** Takes the lease unless a live process holds it. @returns whether it was taken */
  async tryAcquire(): Promise<boolean> {
    const row = await this.#findOrCreate();
    return row.left <= 0 && await this.#take(row);
  }

  /** Writes these columns. Writes never overlap. */
  save(change: Partial<LeaseValues<Column>>): Promise<void> {
    return this.#enqueue(() => this.#write({ ...this.values, ...change }, { isSave: true }));
  }

  /** Renews the lease until disposal; calls `lost` if that fails. Without it, the next {@linkcode check} finds the loss. */
  keep(lost: (error: unknown) => void = () => {}): Disposable {
    const { lease, renewal = Infinity } = this.options;
    const timer = setInterval(() => this.renew().catch(lost), Math.min(lease / 3, renewal));
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** Renews the lease, or waits for the current write. */
  renew(): Promise<void> {
    return this.#waiting > 0 ? this.#queue : this.#renew();
  }

  /** Renews the lease if its last confirmed write is old, for example after SIGSTOP or a step of the clock. */
  async check(): Promise<void> {
    const { clock, lease } = this.options;
    const isOld = () => Math.abs(clock.now() - this.#confirmedAt) > lease / 2;
    if (isOld() && this.#waiting > 0) await this.#queue;
    if (isOld()) await this.#renew();
  }

  /** Releases the lease for the next owner, unless rows are still being written. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { isFree = () => true } = this.options;
    await this.#enqueue(async () => {
      if (isFree()) await this.#write(this.values, { lease: 0 });
    }).catch(() => {});
  }

  /** An answer after the expiry of the lease is useless. */
  #query(sql: string, parameters: Values): Promise<Result> {
    const limitMs = Math.min(Math.max(this.options.lease, SHORTEST_LIMIT_MS), STATEMENT_LIMIT_MS);
    return this.transport.query(sql, parameters, { limitMs });
  }

  #renew = (): Promise<void> => this.#enqueue(() => this.#write(this.values));

  /** @returns false if another process was faster */
  async #take({ values, version }: Row<Column>): Promise<boolean> {
    this.values = values;
    this.#version = version;
    const failed = (error: unknown) => error instanceof LeaseLostError ? false : Promise.reject(error);
    return await this.#renew().then(() => true, failed);
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    this.#waiting++;
    const done = this.#queue.then(task).finally(() => this.#waiting--);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #findOrCreate(): Promise<Row<Column>> {
    const found = await this.#find();
    if (found) return found;
    const { keyColumn, key } = this.options;
    const sql =
      `INSERT INTO ${this.#target} (${keyColumn}) VALUES ($1) ON CONFLICT (${keyColumn}) DO NOTHING`;
    await this.#query(sql, [key]);
    return await this.#read();
  }

  /** @throws UserError if the row does not exist */
  async #read(): Promise<Row<Column>> {
    const row = await this.#find();
    if (row) return row;
    throw new UserError(`The row of ${this.options.key} was deleted from ${this.#target}.`, {
      hint: "Start the relay again.",
    });
  }

  async #find(): Promise<Row<Column> | undefined> {
    const { keyColumn, key, columns } = this.options;
    const { millis, now, fence } = this.transport.dialect;
    const selected = [...columns, "owner", millis("lease_until"), now, fence.select].join(", ");
    const sql = `SELECT ${selected} FROM ${this.#target} WHERE ${keyColumn} = $1`;
    const { rows: [row] } = await this.#query(sql, [key]);
    if (!row) return undefined;
    const [owner, leaseUntil, serverTime, seqNo, primaryTerm] = row.slice(columns.length);
    return {
      values: Object.fromEntries(columns.map((name, at) => [name, row[at]])) as LeaseValues<Column>,
      owner: owner as string | null,
      left: Number(leaseUntil ?? 0) - Number(serverTime),
      version: [String(seqNo), String(primaryTerm)],
    };
  }

  async #write(
    values: LeaseValues<Column>,
    { lease = this.options.lease, isSave = false } = {},
  ): Promise<void> {
    const { clock, takesOver } = this.options;
    // If the answer of an update was lost, the row has a new version: write again.
    for (let written = 0; written === 0;) {
      const sentAt = clock.now();
      written = await this.#update(values, lease, isSave);
      const row = await this.#read();
      if (row.owner !== this.owner) throw new LeaseLostError(row.owner, takesOver);
      this.#version = row.version;
      this.#confirmedAt = sentAt;
    }
    this.values = values;
  }

  /** @returns 1, or 0 if the row has another version */
  async #update(values: LeaseValues<Column>, lease: number, isSave: boolean): Promise<number> {
    const { keyColumn, columns, reported = () => [], reportedAtColumn, savedAtColumn } = this.options;
    const times = [reportedAtColumn, isSave ? savedAtColumn : undefined].filter((name) => name);
    const { fence, now, timestamp } = this.transport.dialect;
    const parameters: (string | null)[] = [];
    const parameter = (value: string | number | null) =>
      `$${parameters.push(value === null ? null : `${value}`)}`;
    const assignments = [
      ...columns.map((name) => `${name} = ${parameter(values[name])}`),
      ...reported().map(({ column, type, value }) => `${quoteName(column)} = ${parameter(value)}::${type}`),
      `owner = ${parameter(this.owner)}`,
      `lease_until = ${timestamp(`${now} + ${parameter(lease)}::bigint`)}`,
      ...times.map((name) => `${name} = CURRENT_TIMESTAMP`),
    ];
    const [key, one, other] = [this.options.key, ...this.#version].map(parameter);
    const isOwn = `${keyColumn} = ${key} AND ${fence.where(`${one}`, `${other}`)}`;
    const sql = `UPDATE ${this.#target} SET ${assignments.join(", ")} WHERE ${isOwn}`;
    return (await this.#query(sql, parameters)).count;
  }
}

/** The row of a stream in `cdc_position`. */
export const rowOfStream = ({ schema, stream }: StreamName) => ({
  table: { schema, name: "cdc_position" },
  keyColumn: "stream",
  key: stream,
  holds: `follows this stream: ${stream}`,
  takesOver: `has taken over this stream: ${stream}`,
});

/** The lease of a stream that another program than its relay takes. */
export const leaseOfStream = (
  transport: Transport,
  { lease, clock, ...name }: StreamName & Pick<LeaseOptions<never>, "lease" | "clock">,
): Lease<never> => new Lease(transport, { ...rowOfStream(name), columns: [], lease, clock });
