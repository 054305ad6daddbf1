/**
 * How far a stream has come, kept beside the data. One relay at a time owns a stream: it holds a lease, and every
 * save is fenced by `_seq_no` and `_primary_term`, so that one that came back from the dead is refused.
 */
import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "../errors.ts";
import type { Logger } from "../ops/log.ts";
import { quoteTable, type TableName } from "./names.ts";
import type { Transport } from "./transport.ts";

export interface PositionOptions {
  /** The schema that `cdc_position` lives in. */
  readonly schema: string;
  /** Who follows what: database, collection and table. */
  readonly stream: string;
  /** Milliseconds that the stream stays ours without a sign of life. */
  readonly lease: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

interface Held {
  readonly token: string | null;
  readonly owner: string | null;
  readonly leaseUntil: number;
  readonly seqNo: number;
  readonly primaryTerm: number;
  readonly now: number;
}

export class Position implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #options: PositionOptions;
  readonly #table: string;
  readonly #owner = `${Deno.hostname()}/${Deno.pid}/${crypto.randomUUID().slice(0, 8)}`;
  #token: string | null = null;
  #fence = { seqNo: -1, primaryTerm: -1 };
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;

  private constructor(transport: Transport, options: PositionOptions) {
    this.#transport = transport;
    this.#options = options;
    const table: TableName = { schema: options.schema, name: "cdc_position" };
    this.#table = quoteTable(table);
  }

  /**
   * Takes the stream, waiting for the lease of an owner that died to run out.
   *
   * @throws UserError when another relay that is alive follows the stream
   */
  static async acquire(transport: Transport, options: PositionOptions): Promise<Position> {
    const position = new Position(transport, options);
    await position.#create();
    await position.#take();
    return position;
  }

  /** The resume token saved last, as hex digits of its BSON; null for a stream never followed. */
  get token(): string | null {
    return this.#token;
  }

  /** Saves a token; call it only after all rows before it are confirmed. Saves come one after the other. */
  save(token: string): Promise<void> {
    return this.#enqueue(() => this.#write(token, this.#options.lease));
  }

  /** Prolongs the lease, unless a save is about to. */
  renew(): Promise<void> {
    return this.#waiting > 0 ? this.#queue : this.#prolong();
  }

  #prolong(): Promise<void> {
    return this.#enqueue(() => this.#write(this.#token, this.#options.lease));
  }

  /** Gives the lease back, so that the next relay need not wait for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#enqueue(() => this.#write(this.#token, 0)).catch(() => {});
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    this.#waiting++;
    const done = this.#queue.then(task).finally(() => this.#waiting--);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #create(): Promise<void> {
    await this.#transport.query(
      `CREATE TABLE IF NOT EXISTS ${this.#table} (stream TEXT PRIMARY KEY, token TEXT, owner TEXT, ` +
        "lease_until TIMESTAMP WITH TIME ZONE, saved_at TIMESTAMP WITH TIME ZONE) CLUSTERED INTO 1 SHARDS",
    );
    await this.#transport.query(
      `INSERT INTO ${this.#table} (stream, lease_until) VALUES ($1, 0) ON CONFLICT (stream) DO NOTHING`,
      [this.#options.stream],
    );
  }

  async #take(): Promise<void> {
    const { signal, log, lease, stream } = this.#options;
    const deadline = Date.now() + lease + 1_000;
    for (let waited = false;; waited = true) {
      const held = await this.#read();
      const left = held.leaseUntil - held.now;
      if (left <= 0) {
        this.#token = held.token;
        this.#fence = held;
        return await this.#prolong();
      }
      if (Date.now() > deadline) {
        throw new UserError(`Another relay (${held.owner}) follows this stream: ${stream}`, {
          hint: "Stop it first; two relays on one stream would overwrite each other.",
        });
      }
      if (!waited) {
        log.info("Waiting for the lease of an earlier relay to run out", { owner: held.owner, ms: left });
      }
      await delay(Math.min(left + 50, 500), undefined, { signal });
    }
  }

  async #read(): Promise<Held> {
    const { rows: [row] } = await this.#transport.query(
      "SELECT token, owner, lease_until::bigint, _seq_no::text, _primary_term::text, CURRENT_TIMESTAMP::bigint " +
        `FROM ${this.#table} WHERE stream = $1`,
      [this.#options.stream],
    );
    if (!row) throw new UserError(`The position of this stream is gone from ${this.#table}.`);
    const [token, owner, leaseUntil, seqNo, primaryTerm, now] = row;
    return {
      token: token as string | null,
      owner: owner as string | null,
      leaseUntil: Number(leaseUntil ?? 0),
      seqNo: Number(seqNo),
      primaryTerm: Number(primaryTerm),
      now: Number(now),
    };
  }

  async #write(token: string | null, lease: number): Promise<void> {
    const { stream } = this.#options;
    const update = () =>
      this.#transport.query(
        `UPDATE ${this.#table} SET token = $1, owner = $2, lease_until = (CURRENT_TIMESTAMP::bigint + $3::bigint)::timestamp with time zone, saved_at = CURRENT_TIMESTAMP ` +
          "WHERE stream = $4 AND _seq_no = $5::bigint AND _primary_term = $6::bigint",
        [
          token,
          this.#owner,
          String(lease),
          stream,
          String(this.#fence.seqNo),
          String(this.#fence.primaryTerm),
        ],
      );
    const { count } = await update();
    const held = await this.#read();
    if (held.owner !== this.#owner) {
      throw new UserError(`Another relay (${held.owner}) has taken over this stream: ${stream}`, {
        hint: "This one stops, so that no change is written twice out of order.",
      });
    }
    this.#fence = held;
    // An update whose answer was lost has moved the row on; it is written again with the row's new fence.
    if (count === 0 && held.token !== token) await update();
    this.#token = token;
  }
}
