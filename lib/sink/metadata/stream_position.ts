/**
 * How far a stream has come, kept beside the data. One relay at a time owns a stream: it holds a lease, and every
 * save is fenced by `_seq_no` and `_primary_term`, so that one that came back from the dead is refused.
 */
import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { quoteTable } from "../table/sql_names.ts";
import { createMetadataTable, selectFromEverySchema } from "./metadata_tables.ts";
import type { Transport } from "../connection/transport.ts";

const TABLE = "cdc_position";

export interface PositionOptions {
  /** The schema that `cdc_position` lives in. */
  readonly schema: string;
  /** Who follows what: database, collection and table. */
  readonly stream: string;
  /** Milliseconds that the stream stays ours without a sign of life. */
  readonly lease: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Whether another relay may write at once when this one gives the lease back; where not, it has to run out. */
  readonly isFree?: () => boolean;
}

/** The lease is somebody else's by now. */
export class TakenOverError extends UserError {}

interface Listed {
  readonly stream: string;
  readonly hasToken: boolean;
}

/** What is saved of a stream. */
export interface SavedState {
  /** The resume token, as hex digits of its BSON; null for a stream never followed. */
  readonly token: string | null;
  /** How far the copy of what was there has come, as JSON; null where there is none to be made. */
  readonly snapshot: string | null;
  /** Which deployment it is of, as JSON; null where that is not known. */
  readonly origin: string | null;
}

const NOTHING: SavedState = { token: null, snapshot: null, origin: null };

interface Held extends SavedState {
  readonly owner: string | null;
  readonly leaseUntil: number;
  readonly seqNo: string;
  readonly primaryTerm: string;
  readonly now: number;
}

export class Position implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #options: PositionOptions;
  readonly #table: string;
  readonly #owner = `${Deno.hostname()}/${Deno.pid}/${crypto.randomUUID().slice(0, 8)}`;
  #state = NOTHING;
  #fence = { seqNo: "", primaryTerm: "" };
  #queue: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** When the last save that is confirmed was sent. */
  #alive = 0;

  private constructor(transport: Transport, options: PositionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#table = quoteTable({ schema: options.schema, name: TABLE });
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

  /** The streams of all schemas, those with no token too. */
  static async list(transport: Transport): Promise<Listed[]> {
    const rows = await selectFromEverySchema(
      transport,
      TABLE,
      (table) => `SELECT stream, token IS NOT NULL FROM ${table} LIMIT 100000`,
    );
    return rows.map(([stream, hasToken]) => ({ stream: String(stream), hasToken: hasToken === true }));
  }

  /** Takes the stream if nobody that is alive has it. */
  static async tryAcquire(transport: Transport, options: PositionOptions): Promise<Position | undefined> {
    const position = new Position(transport, options);
    await position.#create();
    const held = await position.#read();
    return held.leaseUntil <= held.now && await position.#adopt(held) ? position : undefined;
  }

  /** What was saved last. */
  get state(): SavedState {
    return this.#state;
  }

  /** Saves what has changed; call it only after all rows before it are confirmed. Saves come one after the other. */
  save(change: Partial<SavedState>): Promise<void> {
    return this.#enqueue(() => this.#write({ ...this.#state, ...change }, { savedAt: "CURRENT_TIMESTAMP" }));
  }

  /** Keeps the lease until it is disposed of; `lost` is told when that fails. */
  keep(lost: (error: unknown) => void): Disposable {
    const beat = () => this.#waiting > 0 ? this.#queue : this.#prolong();
    const timer = setInterval(() => beat().catch(lost), this.#options.lease / 3);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /**
   * Resolves while the stream is ours for some time yet. A process that was frozen cannot know, and asks first.
   *
   * @throws TakenOverError
   */
  async check(): Promise<void> {
    // A clock that was set back tells as little.
    const isOld = () => Math.abs(Date.now() - this.#alive) > this.#options.lease / 2;
    if (isOld() && this.#waiting > 0) await this.#queue;
    if (isOld()) await this.#prolong();
  }

  #prolong(): Promise<void> {
    return this.#enqueue(() => this.#write(this.#state));
  }

  /** False when another one was faster. */
  async #adopt(held: Held): Promise<boolean> {
    this.#state = { token: held.token, snapshot: held.snapshot, origin: held.origin };
    this.#fence = held;
    try {
      await this.#prolong();
      return true;
    } catch (error) {
      if (error instanceof TakenOverError) return false;
      throw error;
    }
  }

  /** Gives the lease back, so that the next relay need not wait for it; not while rows are still on their way. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { isFree = () => true } = this.#options;
    await this.#enqueue(async () => {
      if (isFree()) await this.#write(this.#state, { lease: 0 });
    }).catch(() => {});
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    this.#waiting++;
    const done = this.#queue.then(task).finally(() => this.#waiting--);
    this.#queue = done.catch(() => {});
    return done;
  }

  async #create(): Promise<void> {
    const { longText } = this.#transport.dialect;
    const { schema } = this.#options;
    const columns = `stream TEXT PRIMARY KEY, token ${longText}, snapshot ${longText}, origin ${longText}, ` +
      "owner TEXT, lease_until TIMESTAMP WITH TIME ZONE, saved_at TIMESTAMP WITH TIME ZONE";
    await createMetadataTable(this.#transport, { schema, name: TABLE, columns });
    const { rows } = await this.#transport.query(
      "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
      [schema, TABLE],
    );
    // Version 0.1.0 made the table without them.
    for (const column of ["snapshot", "origin"].filter((name) => !rows.flat().includes(name))) {
      await this.#transport.query(`ALTER TABLE ${this.#table} ADD COLUMN ${column} ${longText}`);
    }
    await this.#transport.query(
      `INSERT INTO ${this.#table} (stream) VALUES ($1) ON CONFLICT (stream) DO NOTHING`,
      [this.#options.stream],
    );
  }

  async #take(): Promise<void> {
    const { signal, log, lease, stream } = this.#options;
    let deadline: number | undefined;
    for (let waited = false;; waited = true) {
      const held = await this.#read();
      const left = held.leaseUntil - held.now;
      if (left <= 0) {
        if (await this.#adopt(held)) return;
        continue;
      }
      deadline ??= Date.now() + Math.max(left, lease) + 1_000;
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
    const { dialect } = this.#transport;
    const { rows: [row] } = await this.#transport.query(
      `SELECT token, snapshot, origin, owner, ${
        dialect.millis("lease_until")
      }, ${dialect.fence.select}, ${dialect.now} ` +
        `FROM ${this.#table} WHERE stream = $1`,
      [this.#options.stream],
    );
    if (!row) throw new UserError(`The position of this stream is gone from ${this.#table}.`);
    const [token, snapshot, origin, owner, leaseUntil, seqNo, primaryTerm, now] = row;
    return {
      token: token as string | null,
      snapshot: snapshot as string | null,
      origin: origin as string | null,
      owner: owner as string | null,
      leaseUntil: Number(leaseUntil ?? 0),
      seqNo: String(seqNo),
      primaryTerm: String(primaryTerm),
      now: Number(now),
    };
  }

  /** The heartbeat leaves the time of the last save as it was. */
  async #write(
    state: SavedState,
    { lease = this.#options.lease, savedAt = "saved_at" }: { lease?: number; savedAt?: string } = {},
  ): Promise<void> {
    const { stream } = this.#options;
    const { fence, now, timestamp } = this.#transport.dialect;
    const update = () =>
      this.#transport.query(
        `UPDATE ${this.#table} SET token = $1, snapshot = $2, origin = $3, owner = $4, ` +
          `lease_until = ${timestamp(`${now} + $5::bigint`)}, saved_at = ${savedAt} ` +
          `WHERE stream = $6 AND ${fence.where("$7", "$8")}`,
        [
          state.token,
          state.snapshot,
          state.origin,
          this.#owner,
          String(lease),
          stream,
          this.#fence.seqNo,
          this.#fence.primaryTerm,
        ],
      );
    // An update whose answer was lost has moved the row on; it is written again with the row's new fence.
    let sent = 0;
    for (let written = 0; written === 0;) {
      sent = Date.now();
      written = (await update()).count;
      const held = await this.#read();
      if (held.owner !== this.#owner) {
        throw new TakenOverError(`Another relay (${held.owner}) has taken over this stream: ${stream}`, {
          hint: "This one stops, so that no change is written twice out of order.",
        });
      }
      this.#fence = held;
    }
    this.#state = state;
    this.#alive = sent;
  }
}
