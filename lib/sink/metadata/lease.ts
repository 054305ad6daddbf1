/**
 * A lease on a row: one process at a time may write it. Whoever holds it says so again and again; when that stops, the
 * lease runs out. Each write is fenced by the row's version, so that a process that was frozen meanwhile is refused.
 */
import { hostname } from "node:os";
import process from "node:process";
import type { Clock } from "../../util/clock.ts";
import { UserError } from "../../util/errors.ts";
import { type QueryOptions, STATEMENT_LIMIT_MS, type Transport } from "../connection/transport.ts";
import { quoteName, quoteTable, type TableName } from "../sql/names.ts";
import type { ColumnType } from "./status_columns.ts";

export interface LeaseOptions<Column extends string> {
  /** A table with the columns `owner TEXT` and `lease_until TIMESTAMP WITH TIME ZONE`, and the ones named here. */
  readonly table: TableName;
  /** The column of the primary key, and the row's key in it. */
  readonly keyColumn: string;
  readonly key: string;
  /** Text columns that are written with the lease, fenced by it. */
  readonly columns: readonly Column[];
  /** Further columns, which each write brings up to date; nobody here reads them. @default {none} */
  readonly reported?: () => readonly ReportedValue[];
  /** A timestamp column that each write sets; none for none. */
  readonly reportedAtColumn?: string;
  /** A timestamp column that each save sets; none for none. */
  readonly savedAtColumn?: string;
  /** Milliseconds that the lease lasts without a sign of life. */
  readonly lease: number;
  readonly clock: Clock;
  /** What another process does that holds it, for errors, e.g. "follows this stream: shop.*". */
  readonly holds: string;
  /** What it does by taking it away, e.g. "has taken over this stream: shop.*". */
  readonly takesOver: string;
  /** Whether another process may have it at once when this one gives it back. @default {always} */
  readonly isFree?: () => boolean;
}

export interface ReportedValue {
  readonly column: string;
  readonly type: ColumnType;
  /** In ISO 8601 for a timestamp. */
  readonly value: string | number | null;
}

export type LeaseValues<Column extends string> = Readonly<Record<Column, string | null>>;

/** Another process holds the lease, and is alive. */
export class LeaseHeldError extends UserError {
  readonly owner: string | null;

  constructor(owner: string | null, holds: string) {
    super(`Another relay (${owner}) ${holds}`, {
      hint: "Stop it first; two relays on one stream would overwrite each other.",
    });
    this.owner = owner;
  }
}

/** Another process has the lease by now. */
export class LeaseLostError extends UserError {
  readonly owner: string | null;

  constructor(owner: string | null, takesOver: string) {
    super(`Another relay (${owner}) ${takesOver}`, {
      hint: "This one stops, so that no change is written twice out of order.",
    });
    this.owner = owner;
  }
}

interface Row<Column extends string> {
  readonly values: LeaseValues<Column>;
  readonly owner: string | null;
  /** Milliseconds that are left by the server's clock; not positive when it has run out. */
  readonly left: number;
  readonly version: readonly [seqNo: string, primaryTerm: string];
}

export interface AcquireOptions {
  readonly signal: AbortSignal;
  /** Called once when an earlier owner's lease has to run out. */
  readonly onWait: (owner: string | null, milliseconds: number) => void;
  /** Whether an owner that is alive is waited for, until it gives the lease back or dies. @default {false} */
  readonly standsBy?: boolean;
}

/** How much longer than its lease an owner is waited for that might be dead. */
export const LEASE_MARGIN_MS = 1_000;
const LONGEST_WAIT_MS = 500;
/** A slow server needs this for a small statement. */
const SHORTEST_LIMIT_MS = 5_000;
/** The server's clock and this one's need not agree to the millisecond. */
const CLOCK_MARGIN_MS = 50;

export class Lease<Column extends string> implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #options: LeaseOptions<Column>;
  readonly #owner = `${hostname()}/${process.pid}/${crypto.randomUUID().slice(0, 8)}`;
  readonly #target: string;
  #values: LeaseValues<Column>;
  #version: Row<Column>["version"] = ["", ""];
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** When the last write that is confirmed was sent. */
  #confirmedAt = 0;

  private constructor(transport: Transport, options: LeaseOptions<Column>) {
    this.#transport = transport;
    this.#options = options;
    this.#target = quoteTable(options.table);
    this.#values = Object.fromEntries(options.columns.map((name) => [name, null])) as LeaseValues<Column>;
  }

  /**
   * Takes the lease, waiting for that of an owner that died to run out.
   *
   * @throws LeaseHeldError when the owner turns out to be alive, and is not to be waited for
   */
  static async acquire<Column extends string>(
    transport: Transport,
    options: LeaseOptions<Column>,
    { signal, onWait, standsBy = false }: AcquireOptions,
  ): Promise<Lease<Column>> {
    const lease = new Lease(transport, options);
    const { clock } = options;
    await lease.#createRow();
    let deadline: number | undefined;
    while (true) {
      const row = await lease.#read();
      if (row.left <= 0) {
        if (await lease.#take(row)) return lease;
        continue;
      }
      if (deadline === undefined) {
        deadline = clock.monotonic() + Math.max(row.left, options.lease) + LEASE_MARGIN_MS;
        onWait(row.owner, row.left);
      }
      if (clock.monotonic() > deadline && !standsBy) throw new LeaseHeldError(row.owner, options.holds);
      await clock.wait(Math.min(row.left + CLOCK_MARGIN_MS, LONGEST_WAIT_MS), { signal });
    }
  }

  /** Takes the lease if nobody that is alive has it; undefined otherwise. */
  static async tryAcquire<Column extends string>(
    transport: Transport,
    options: LeaseOptions<Column>,
  ): Promise<Lease<Column> | undefined> {
    const lease = new Lease(transport, options);
    let row = await lease.#find();
    if (!row) {
      await lease.#createRow();
      row = await lease.#read();
    }
    return row.left <= 0 && await lease.#take(row) ? lease : undefined;
  }

  /** The name of this process. */
  get owner(): string {
    return this.#owner;
  }

  /** What the row's columns were when they were written or read last. */
  get values(): LeaseValues<Column> {
    return this.#values;
  }

  /**
   * Writes what has changed. Writes come one after the other.
   *
   * @throws LeaseLostError
   */
  save(change: Partial<LeaseValues<Column>>): Promise<void> {
    return this.#enqueue(() => this.#write({ ...this.#values, ...change }, { isSave: true }));
  }

  /** Renews the lease until it is disposed of; calls `lost` if that fails. @param every milliseconds at most */
  keep(lost: (error: unknown) => void, every = Infinity): Disposable {
    const timer = setInterval(() => this.renew().catch(lost), Math.min(this.#options.lease / 3, every));
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /**
   * Renews the lease, unless the row is being written already.
   *
   * @throws LeaseLostError
   */
  renew(): Promise<void> {
    return this.#waiting > 0 ? this.#queue : this.#renew();
  }

  /**
   * Resolves if the lease is valid for some time yet; otherwise renews it first, for example after SIGSTOP or when the
   * clock was set back.
   *
   * @throws LeaseLostError
   */
  async check(): Promise<void> {
    const { clock, lease } = this.#options;
    const isOld = () => Math.abs(clock.now() - this.#confirmedAt) > lease / 2;
    if (isOld() && this.#waiting > 0) await this.#queue;
    if (isOld()) await this.#renew();
  }

  /** Gives the lease back, so that the next owner need not wait for it; not while rows are still on their way. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { isFree = () => true } = this.#options;
    await this.#enqueue(async () => {
      if (isFree()) await this.#write(this.#values, { lease: 0 });
    }).catch(() => {});
  }

  /** An answer after the end of the lease is of no use. */
  get #limit(): QueryOptions {
    return { limitMs: Math.min(Math.max(this.#options.lease, SHORTEST_LIMIT_MS), STATEMENT_LIMIT_MS) };
  }

  #renew(): Promise<void> {
    return this.#enqueue(() => this.#write(this.#values));
  }

  /** False when another process was faster. */
  async #take({ values, version }: Row<Column>): Promise<boolean> {
    this.#values = values;
    this.#version = version;
    try {
      await this.#renew();
      return true;
    } catch (error) {
      if (error instanceof LeaseLostError) return false;
      throw error;
    }
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    this.#waiting++;
    const done = this.#queue.then(task).finally(() => this.#waiting--);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #createRow(): Promise<void> {
    const { keyColumn, key } = this.#options;
    await this.#transport.query(
      `INSERT INTO ${this.#target} (${keyColumn}) VALUES ($1) ON CONFLICT (${keyColumn}) DO NOTHING`,
      [key],
      this.#limit,
    );
  }

  /** @throws UserError when the row does not exist */
  async #read(): Promise<Row<Column>> {
    const row = await this.#find();
    if (row) return row;
    throw new UserError(`The row of ${this.#options.key} is gone from ${this.#target}.`, {
      hint: "Somebody has deleted it. Start the relay again.",
    });
  }

  async #find(): Promise<Row<Column> | undefined> {
    const { keyColumn, key, columns } = this.#options;
    const { millis, now, fence } = this.#transport.dialect;
    const selected = [...columns, "owner", millis("lease_until"), now, fence.select].join(", ");
    const { rows: [row] } = await this.#transport.query(
      `SELECT ${selected} FROM ${this.#target} WHERE ${keyColumn} = $1`,
      [key],
      this.#limit,
    );
    if (!row) return undefined;
    const [owner, leaseUntil, serverTime, seqNo, primaryTerm] = row.slice(columns.length);
    return {
      values: Object.fromEntries(columns.map((name, at) => [name, row[at]])) as LeaseValues<Column>,
      owner: owner as string | null,
      left: Number(leaseUntil ?? 0) - Number(serverTime),
      version: [String(seqNo), String(primaryTerm)],
    };
  }

  /** Renewals leave the time of the last save as it was. */
  async #write(
    values: LeaseValues<Column>,
    { lease = this.#options.lease, isSave = false }: { lease?: number; isSave?: boolean } = {},
  ): Promise<void> {
    const { clock, takesOver } = this.#options;
    // An update whose answer was lost has moved the row on; it is written again with the row's new version.
    for (let written = 0; written === 0;) {
      const sentAt = clock.now();
      written = await this.#update(values, { lease, isSave });
      const row = await this.#read();
      if (row.owner !== this.#owner) throw new LeaseLostError(row.owner, takesOver);
      this.#version = row.version;
      this.#confirmedAt = sentAt;
    }
    this.#values = values;
  }

  /** @returns the rows that were written: 1, or 0 when the row's version is another one */
  async #update(
    values: LeaseValues<Column>,
    { lease, isSave }: { lease: number; isSave: boolean },
  ): Promise<number> {
    const { keyColumn, key, columns, reported = () => [], ...at } = this.#options;
    const times = [at.reportedAtColumn, ...isSave ? [at.savedAtColumn] : []].filter((name) =>
      name !== undefined
    );
    const { fence, now, timestamp } = this.#transport.dialect;
    const report = reported();
    const parameters: (string | null)[] = [];
    const parameter = (value: string | number | null) =>
      `$${parameters.push(value === null ? null : `${value}`)}`;
    const assignments = [
      ...columns.map((name) => `${name} = ${parameter(values[name])}`),
      ...report.map(({ column, type, value }) => `${quoteName(column)} = ${parameter(value)}::${type}`),
      `owner = ${parameter(this.#owner)}`,
      `lease_until = ${timestamp(`${now} + ${parameter(lease)}::bigint`)}`,
      ...times.map((name) => `${name} = CURRENT_TIMESTAMP`),
    ];
    const isKey = `${keyColumn} = ${parameter(key)}`;
    const [one, other] = this.#version;
    const { count: written } = await this.#transport.query(
      `UPDATE ${this.#target} SET ${assignments.join(", ")} ` +
        `WHERE ${isKey} AND ${fence.where(parameter(one), parameter(other))}`,
      parameters,
      this.#limit,
    );
    return written;
  }
}
