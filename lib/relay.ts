/**
 * `cdc-relay`: the way of a document from MongoDB into CrateDB, whole, in one place.
 *
 * Delivery is at least once and writes are idempotent, so the state of the table is exactly once: a position is
 * saved only after CrateDB has confirmed every row before it.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { RelayConfig } from "./config.ts";
import type { Logger } from "./ops/log.ts";
import { bytesFromHex, bytesToHex, extendedJson } from "./row/bson.ts";
import { coalesce, type RowChange } from "./row/coalesce.ts";
import { type Column, shapeOfDocument, widest } from "./row/columns.ts";
import { UnstorableError } from "./row/json.ts";
import { keyText } from "./row/key.ts";
import { place } from "./row/place.ts";
import { type DeadLetter, DeadLetters } from "./sink/dead_letters.ts";
import { Ledger } from "./sink/ledger.ts";
import { Position } from "./sink/position.ts";
import { openTable, type TargetTable } from "./sink/table.ts";
import { openTransport, retrying } from "./sink/transport.ts";
import { type Row, Writer } from "./sink/writer.ts";
import { type ChangeBatch, changeStream } from "./source/change_stream.ts";
import type { CollectionEvent } from "./source/event.ts";
import { gather } from "./source/gather.ts";
import { connectMongodb } from "./source/mongodb.ts";

export interface Context {
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What is counted, for the summary. */
interface Counts {
  events: number;
  upserts: number;
  deletes: number;
  overflowed: number;
  deadLetters: number;
  ignored: number;
}

/** Milliseconds without a further change until the stream counts as idle. */
const IDLE = 10;

/**
 * Follows the collection until the signal is aborted.
 *
 * @throws UserError, SinkError, MongoError; all of them described by `describe()`
 */
export async function relay(config: RelayConfig, { signal, log }: Context): Promise<void> {
  const { database, collection, lease } = config;
  const stream = `${database}.${collection} -> ${config.table.schema}.${config.table.name}`;
  const failed = new AbortController();
  const ended = AbortSignal.any([signal, failed.signal]);

  await using plain = openTransport(config.sink);
  const table = await openTable(plain, config.table);
  await using closing = new AsyncDisposableStack();
  const client = closing.adopt(await connectMongodb(config.mongodbUrl), (open) => open.close());
  const sink = retrying(plain, { signal: ended, log, retryFor: config.retryFor });
  await using position = await Position.acquire(sink, { ...config.table, stream, lease, signal, log });
  const heartbeat = setInterval(() => position.renew().catch((error) => failed.abort(error)), lease / 3);
  using beating = new DisposableStack();
  beating.defer(() => clearInterval(heartbeat));

  const landing = new Landing({
    table,
    ledger: new Ledger(sink, { table, log }),
    writer: new Writer(sink, table, config),
    deadLetters: await DeadLetters.open(sink, { schema: table.schema, stream }),
    onDrop: config.onDrop,
    log,
  });
  await landing.open();
  const startAfter = position.token === null ? null : bytesFromHex(position.token);
  log.info(startAfter ? "Going on from the saved position" : "Following from now on", { stream });

  const batches = gather(
    changeStream({ ...config, client, startAfter, signal: ended, log }),
    config,
  );
  try {
    await followUp(batches, { landing, position, config, startAfter, log });
  } catch (error) {
    failed.abort(error);
  }
  failed.signal.throwIfAborted();
}

interface FollowParts extends Pick<Context, "log"> {
  readonly landing: Landing;
  readonly position: Position;
  readonly config: RelayConfig;
  readonly startAfter: Uint8Array | null;
}

/** Lands batch after batch; between them what was written is made visible, and the position saved. */
async function followUp(batches: AsyncGenerator<ChangeBatch>, parts: FollowParts): Promise<void> {
  const { landing, position, config, log } = parts;
  const started = Date.now();
  let token = parts.startAfter;
  let [refreshed, saved, settled, ready] = [0, 0, true, false];
  const refresh = async () => {
    if (landing.dirty) await landing.refresh();
    refreshed = Date.now();
  };
  const save = async () => {
    if (token) await position.save(bytesToHex(token));
    saved = Date.now();
  };
  while (true) {
    const next = batches.next();
    if (!settled && await Promise.race([next.then(() => false, () => false), delay(IDLE, true)])) {
      await refresh();
      await save();
      settled = true;
    }
    const { value: batch, done } = await next;
    if (done) break;
    await landing.land(batch);
    const first = token === null;
    token = batch.token;
    if (batch.events > 0) settled = false;
    if (Date.now() - refreshed >= config.refreshInterval) await refresh();
    const interval = batch.events > 0 ? config.saveInterval : config.lease / 3;
    if (first || Date.now() - saved >= interval) await save();
    if (!ready) log.info("Ready");
    ready = true;
  }
  await refresh();
  await save();
  log.info("Stopped", { ...landing.counts, seconds: Math.round((Date.now() - started) / 100) / 10 });
}

interface LandingParts {
  readonly table: TargetTable;
  readonly ledger: Ledger;
  readonly writer: Writer;
  readonly deadLetters: DeadLetters;
  readonly onDrop: RelayConfig["onDrop"];
  readonly log: Logger;
}

interface PlacedRows {
  readonly rows: Row[];
  readonly letters: DeadLetter[];
}

type Upsert = RowChange & { readonly document: Uint8Array };

/** One batch at a time: coalesced, placed, written, every row accounted for. */
class Landing {
  readonly counts: Counts = { events: 0, upserts: 0, deletes: 0, overflowed: 0, deadLetters: 0, ignored: 0 };
  /** Whether something was written that queries may not see yet. */
  dirty = false;
  readonly #parts: LandingParts;

  constructor(parts: LandingParts) {
    this.#parts = parts;
  }

  async open(): Promise<void> {
    await this.#parts.ledger.load();
    const { count } = this.#parts.deadLetters;
    if (count > 0) this.#parts.log.warn("There are dead letters", { count, table: "cdc_dead_letter" });
  }

  async refresh(): Promise<void> {
    await this.#parts.writer.refresh();
    this.dirty = false;
  }

  async land(batch: ChangeBatch): Promise<void> {
    const changes = coalesce(batch.changes.map(({ id, document }) => ({ oid: keyText(id), document })));
    const upserts = changes.filter((change): change is Upsert => change.document !== null);
    const gone = changes.filter(({ document }) => document === null).map(({ oid }) => oid);
    const letters = await this.#upsert(upserts);
    const dead = letters.map(({ oid }) => oid);
    const { writer, deadLetters, log } = this.#parts;
    await deadLetters.add(letters);
    await writer.delete([...gone, ...dead]);
    const isDead = new Set(dead);
    await deadLetters.settle(changes.map(({ oid }) => oid).filter((oid) => !isDead.has(oid)));
    for (const { oid, error } of letters) log.warn("A document went to the dead letters", { oid, error });
    this.dirty ||= changes.length > 0;
    this.counts.events += batch.events;
    this.counts.upserts += upserts.length - letters.length;
    this.counts.deletes += gone.length;
    this.counts.deadLetters += letters.length;
    if (batch.event) await this.#collectionEvent(batch.event);
  }

  /** A refused row is placed and written once more with the columns as they are by then. */
  async #upsert(upserts: readonly Upsert[]): Promise<DeadLetter[]> {
    const { writer, ledger } = this.#parts;
    const first = await this.#place(upserts);
    const refused = new Set((await writer.upsert(first.rows)).map(({ oid }) => oid));
    if (refused.size === 0) return first.letters;
    await ledger.load();
    const again = upserts.filter(({ oid }) => refused.has(oid));
    const second = await this.#place(again);
    const errors = await writer.upsert(second.rows);
    const documents = new Map(again.map(({ oid, document }) => [oid, document]));
    return [
      ...first.letters,
      ...second.letters,
      ...errors.map(({ oid, error }) => letterOf(oid, documents.get(oid) ?? new Uint8Array(), error)),
    ];
  }

  /** Columns that are missing are made first, for the whole batch at once. */
  async #place(upserts: readonly Upsert[]): Promise<PlacedRows> {
    const { ledger, table } = this.#parts;
    const rows: Row[] = [];
    const letters: DeadLetter[] = [];
    const waiting: Upsert[] = [];
    let shape: Column | undefined;
    const placeAll = (documents: readonly Upsert[], last: boolean) => {
      for (const upsert of documents) {
        const { oid, document } = upsert;
        try {
          const { data, overflow, misfits, missing } = place(document, ledger.columns);
          if (missing && !last) {
            waiting.push(upsert);
            shape = widest(shape, shapeOfDocument(document));
          } else if (misfits && !table.hasOverflow) {
            letters.push(letterOf(oid, document, `The table has no column for overflow: ${overflow}`));
          } else {
            rows.push({ oid, data, overflow });
            if (misfits) this.counts.overflowed++;
          }
        } catch (error) {
          if (!(error instanceof UnstorableError || error instanceof TypeError || isBsonError(error))) {
            throw error;
          }
          letters.push(letterOf(oid, document, (error as Error).message));
        }
      }
    };
    placeAll(upserts, false);
    if (shape) {
      await ledger.add(shape);
      placeAll(waiting, true);
    }
    return { rows, letters };
  }

  async #collectionEvent({ operation }: CollectionEvent): Promise<void> {
    const { log, onDrop, writer } = this.#parts;
    const handling = COLLECTION_EVENTS.get(operation);
    if (handling === undefined) {
      this.counts.ignored++;
      log.warn("An operation that this program does not know was passed over", { operation });
    } else if (handling === "gone") {
      log.warn(
        `The collection is gone (${operation}); its rows ${onDrop === "keep" ? "stay" : "are removed"}`,
        {
          onDrop,
        },
      );
      if (onDrop === "truncate") await writer.truncate();
      this.dirty = true;
    }
  }
}

/** What becomes of the rows: those of a collection that is gone follow `--on-drop`. */
const COLLECTION_EVENTS: ReadonlyMap<string, "gone" | "reopen"> = new Map(Object.entries(
  {
    drop: "gone",
    rename: "gone",
    dropDatabase: "gone",
    invalidate: "reopen",
  } as const,
));

const isBsonError = (error: unknown): boolean => error instanceof Error && error.name.startsWith("BSON");

const letterOf = (oid: string, document: Uint8Array, error: string): DeadLetter => ({
  oid,
  error,
  document: extendedJson(document),
});
